// Gradient of an embedding table: sum the rows of g that share an index. The indices come sorted (stably, so duplicates
// stay in their order) and the sorted list is cut into chunks. A run of one index that lies within a chunk is summed
// and written at once; a run that crosses a chunk's edge leaves partial sums, which a second kernel adds in order.
// No two threads write one place, and no order depends on timing.
//
// partial is (chunks, 2, width): [0] belongs to the run that comes in from the chunk before, [1] to the one that starts
// here and goes on into the next.

// Whether sorted positions a and b exist and hold the same index.
__device__ __forceinline__ bool same_run(const i64* sorted, i64 count, i64 a, i64 b) {
    return a >= 0 && b < count && sorted[a] == sorted[b];
}

// The rows of the table that take a gradient: those that exist, without the padding row.
__device__ __forceinline__ bool takes(i64 row, i64 table_rows, i64 padding_row) {
    return row >= 0 && row < table_rows && row != padding_row;
}

template <typename T>
__global__ void embedding_chunks(const T* __restrict__ g, const i64* __restrict__ sorted, const i64* __restrict__ order,
                                 T* __restrict__ table, acc_t<T>* __restrict__ partial, i64 count, i64 width,
                                 i64 chunk, i64 table_rows, i64 padding_row) {
    i64 chunks = (count + chunk - 1) / chunk;
    for (i64 c = blockIdx.x; c < chunks; c += gridDim.x) {
        i64 begin = c * chunk, end = min(begin + chunk, count);
        for (i64 column = (i64)blockIdx.y * blockDim.x + threadIdx.x; column < width;
             column += (i64)gridDim.y * blockDim.x) {
            acc_t<T> sum = 0;
            bool comes_in = same_run(sorted, count, begin - 1, begin);
            for (i64 i = begin; i < end; ++i) {
                sum += widen(g[order[i] * width + column]);
                bool goes_on = same_run(sorted, count, i, i + 1);
                if (goes_on && i + 1 < end) continue;
                // The run ends here, or the chunk does.
                if (comes_in)
                    partial[2 * c * width + column] = sum;
                else if (goes_on)
                    partial[(2 * c + 1) * width + column] = sum;
                else if (takes(sorted[i], table_rows, padding_row))
                    narrow(sum, table[sorted[i] * width + column]);
                sum = 0;
                comes_in = false;
            }
        }
    }
}

template <typename T>
__global__ void embedding_crossings(const i64* __restrict__ sorted, T* __restrict__ table,
                                    const acc_t<T>* __restrict__ partial, i64 count, i64 width, i64 chunk,
                                    i64 table_rows, i64 padding_row) {
    i64 chunks = (count + chunk - 1) / chunk;
    // The last chunk starts nothing that goes on.
    for (i64 c = blockIdx.x; c + 1 < chunks; c += gridDim.x) {
        i64 begin = c * chunk, end = begin + chunk;
        i64 row = sorted[end - 1];
        bool goes_on = same_run(sorted, count, end - 1, end);
        // Sorted, so a chunk that begins and ends with one index holds nothing else.
        bool whole = sorted[begin] == row;
        bool starts_here = !(whole && same_run(sorted, count, begin - 1, begin));
        if (!goes_on || !starts_here || !takes(row, table_rows, padding_row)) continue;
        for (i64 column = (i64)blockIdx.y * blockDim.x + threadIdx.x; column < width;
             column += (i64)gridDim.y * blockDim.x) {
            acc_t<T> sum = partial[(2 * c + 1) * width + column];
            for (i64 next = c + 1; next < chunks && sorted[next * chunk] == row; ++next)
                sum += partial[2 * next * width + column];
            narrow(sum, table[row * width + column]);
        }
    }
}
