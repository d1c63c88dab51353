// Softmax and cross-entropy over rows that lie together in memory. A warp takes a short row, a block a long one (WIDE).

// The maximum of what a lane has seen and the sum of exp(x - maximum), kept up in one pass over the row.
template <typename A> struct MaxSum { A max, sum; };

template <typename A> __device__ __forceinline__ void push(MaxSum<A>& seen, A x) {
    if (x > seen.max) {
        seen.sum = seen.sum * exp(seen.max - x) + (A)1;
        seen.max = x;
    } else if (x != -infinity<A>()) {  // exp(-inf) adds nothing, and -inf - -inf would be NaN; a NaN goes in, and stays
        seen.sum += exp(x - seen.max);
    }
}

template <typename A> __device__ __forceinline__ MaxSum<A> merge(MaxSum<A> a, MaxSum<A> b) {
    A top = a.max > b.max ? a.max : b.max;
    A from_a = a.max == top ? a.sum : a.sum * exp(a.max - top);
    A from_b = b.max == top ? b.sum : b.sum * exp(b.max - top);
    return {top, from_a + from_b};
}

template <typename A> __device__ __forceinline__ A merge(A a, A b) { return a + b; }

template <typename A> __device__ __forceinline__ A lane_below(A value, int by) {
    return __shfl_down_sync(ALL_LANES, value, by);
}
template <typename A> __device__ __forceinline__ MaxSum<A> lane_below(MaxSum<A> value, int by) {
    return {__shfl_down_sync(ALL_LANES, value.max, by), __shfl_down_sync(ALL_LANES, value.sum, by)};
}
template <typename A> __device__ __forceinline__ A first_lane(A value) { return __shfl_sync(ALL_LANES, value, 0); }
template <typename A> __device__ __forceinline__ MaxSum<A> first_lane(MaxSum<A> value) {
    return {__shfl_sync(ALL_LANES, value.max, 0), __shfl_sync(ALL_LANES, value.sum, 0)};
}

// Merge over the warp or the block in a fixed order; every lane gets the same result, lane 0's (a butterfly could
// leave lanes that differ in the last bit). `nothing` is what an idle warp stands for.
template <bool WIDE, typename S> __device__ S across_row(S mine, S nothing) {
    for (int by = WARP / 2; by > 0; by /= 2) mine = merge(mine, lane_below(mine, by));
    if (!WIDE) return first_lane(mine);

    __shared__ S of_warp[WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    if (lane == 0) of_warp[warp] = mine;
    __syncthreads();
    mine = lane < (int)blockDim.x / WARP ? of_warp[lane] : nothing;
    for (int by = WARP / 2; by > 0; by /= 2) mine = merge(mine, lane_below(mine, by));
    __syncthreads();  // before the next call writes of_warp again
    return first_lane(mine);
}

// Where a thread stands: its first row, the rows to walk on by, its first column and the columns to walk on by.
template <bool WIDE> struct Walk {
    i64 row, rows_on;
    int lane, lanes;
    __device__ __forceinline__ Walk() {
        lane = WIDE ? threadIdx.x : threadIdx.x % WARP;
        lanes = WIDE ? blockDim.x : WARP;
        row = WIDE ? (i64)blockIdx.x : first_place<i64>() / WARP;
        rows_on = WIDE ? (i64)gridDim.x : grid_size<i64>() / WARP;
    }
};

// Maximum and scaled sum of a row. A row whose maximum is infinite has no softmax: its sum is NaN, and so is all that
// is made from it, as in PyTorch (rows of -inf alone, rows with +inf; a NaN in the row has made the sum NaN by itself).
template <bool WIDE, typename T>
__device__ __forceinline__ MaxSum<acc_t<T>> max_sum(const T* row, i64 n, const Walk<WIDE>& walk) {
    typedef acc_t<T> A;
    MaxSum<A> nothing = {-infinity<A>(), (A)0};
    MaxSum<A> seen = nothing;
    for (i64 c = walk.lane; c < n; c += walk.lanes) push(seen, widen(row[c]));
    seen = across_row<WIDE>(seen, nothing);
    if (seen.max - seen.max != (A)0) seen.sum = not_a_number<A>();
    return seen;
}

template <typename T, bool LOG, bool WIDE>
__global__ void softmax_rows(const T* __restrict__ x, T* __restrict__ out, i64 rows, i64 n) {
    typedef acc_t<T> A;
    Walk<WIDE> walk;
    for (i64 row = walk.row; row < rows; row += walk.rows_on) {
        const T* from = x + row * n;
        T* to = out + row * n;
        MaxSum<A> all = max_sum<WIDE>(from, n, walk);
        A log_sum = LOG ? log(all.sum) : (A)0;
        for (i64 c = walk.lane; c < n; c += walk.lanes) {
            A shifted = widen(from[c]) - all.max;
            narrow(LOG ? shifted - log_sum : exp(shifted) / all.sum, to[c]);
        }
    }
}

// Loss of each row, its log-sum-exp as two addends (maximum, log of the scaled sum: added up they would lose the digits
// that a large logit pushes out) and its weight in a mean. weight may be null (all ones).
template <typename T, bool WIDE>
__global__ void cross_entropy_forward(const T* __restrict__ x, const i64* __restrict__ target,
                                      const T* __restrict__ weight, acc_t<T>* __restrict__ loss,
                                      acc_t<T>* __restrict__ log_sum_exp, acc_t<T>* __restrict__ row_weight, i64 rows,
                                      i64 classes, i64 ignore_index, double smoothing) {
    typedef acc_t<T> A;
    Walk<WIDE> walk;
    for (i64 row = walk.row; row < rows; row += walk.rows_on) {
        const T* from = x + row * classes;
        i64 label = target[row];
        bool known = label >= 0 && label < classes;
        bool ignored = label == ignore_index;
        MaxSum<A> all = max_sum<WIDE>(from, classes, walk);
        A log_sum = log(all.sum);

        A smooth = 0;  // the sum of w * -log p over all classes, wanted only with label smoothing
        if (smoothing != 0) {
            for (i64 c = walk.lane; c < classes; c += walk.lanes)
                smooth += (weight ? widen(weight[c]) : (A)1) * (all.max - widen(from[c]) + log_sum);
            smooth = across_row<WIDE>(smooth, (A)0);
        }
        if (walk.lane == 0) {
            // A label that names no class must not be read; its loss is NaN, which nobody overlooks.
            A own = ignored ? (A)0 : !known ? not_a_number<A>() : weight ? widen(weight[label]) : (A)1;
            A result = (A)0;
            if (!ignored) {
                A entropy = known ? all.max - widen(from[label]) + log_sum : not_a_number<A>();
                result = (A)(1 - smoothing) * own * entropy + (A)(smoothing / classes) * smooth;
            }
            loss[row] = result;
            row_weight[row] = own;
            log_sum_exp[2 * row] = all.max;
            log_sum_exp[2 * row + 1] = log_sum;
        }
    }
}

// dx = g * ((own + share * total) * p - own at the label - share * w), where own = (1 - smoothing) * w[label],
// share = smoothing / classes and total = the sum of all class weights. g_step is 0 where one g serves all rows.
template <typename T, bool WIDE>
__global__ void cross_entropy_backward(const acc_t<T>* __restrict__ g, i64 g_step, const T* __restrict__ x,
                                       const i64* __restrict__ target, const T* __restrict__ weight,
                                       const acc_t<T>* __restrict__ log_sum_exp,
                                       const acc_t<T>* __restrict__ total_weight, T* __restrict__ dx, i64 rows,
                                       i64 classes, i64 ignore_index, double smoothing) {
    typedef acc_t<T> A;
    Walk<WIDE> walk;
    A share = (A)(smoothing / classes);
    A total = total_weight ? *total_weight : (A)classes;
    for (i64 row = walk.row; row < rows; row += walk.rows_on) {
        const T* from = x + row * classes;
        T* to = dx + row * classes;
        i64 label = target[row];
        bool known = label >= 0 && label < classes;
        bool ignored = label == ignore_index;
        A up = g[row * g_step], max = log_sum_exp[2 * row], log_sum = log_sum_exp[2 * row + 1];
        A own = !known ? not_a_number<A>() : (A)(1 - smoothing) * (weight ? widen(weight[label]) : (A)1);
        A all = own + share * total;
        for (i64 c = walk.lane; c < classes; c += walk.lanes) {
            A slope = all * exp(widen(from[c]) - max - log_sum);
            if (c == label) slope -= own;
            if (share != (A)0) slope -= share * (weight ? widen(weight[c]) : (A)1);
            narrow(ignored ? (A)0 : up * slope, to[c]);
        }
    }
}
