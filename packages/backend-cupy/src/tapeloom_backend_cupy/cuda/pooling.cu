// Max-pooling over NCHW planes: forward with the place of each maximum, and two deterministic backwards.

// One thread for each output. The first maximum wins; a NaN beats everything before it, so the last NaN of a window is
// the one remembered, as in PyTorch.
template <typename T, typename I>
__global__ void max_pool2d_forward(const T* __restrict__ x, T* __restrict__ out, i64* __restrict__ indices, I count,
                                   I height, I width, I out_height, I out_width, I kernel_h, I kernel_w, I stride_h,
                                   I stride_w, I pad_h, I pad_w, I dilation_h, I dilation_w) {
    for (I place = first_place<I>(); place < count; place += grid_size<I>()) {
        I column = place % out_width;
        I row = place / out_width % out_height;
        const T* plane = x + (i64)(place / out_width / out_height) * height * width;

        I top = row * stride_h - pad_h, left = column * stride_w - pad_w;
        I bottom = min(top + (kernel_h - 1) * dilation_h + 1, height);
        I right = min(left + (kernel_w - 1) * dilation_w + 1, width);
        // Padding is skipped, not compared: step to the first tap that lies inside.
        while (top < 0) top += dilation_h;
        while (left < 0) left += dilation_w;

        acc_t<T> best = -infinity<acc_t<T>>();
        I at = top * width + left;
        for (I h = top; h < bottom; h += dilation_h)
            for (I w = left; w < right; w += dilation_w) {
                acc_t<T> value = widen(plane[h * width + w]);
                if (value > best || value != value) {
                    best = value;
                    at = h * width + w;
                }
            }
        narrow(best, out[place]);
        indices[place] = at;
    }
}

// Backward where the window is known: one thread for each input pixel asks every window that covers it whether this
// pixel was its maximum. No two threads write one place, and the order of the sum is fixed.
template <typename T, typename I>
__global__ void max_pool2d_gather(const T* __restrict__ g, const i64* __restrict__ indices, T* __restrict__ dx, I count,
                                  I height, I width, I out_height, I out_width, I kernel_h, I kernel_w, I stride_h,
                                  I stride_w, I pad_h, I pad_w, I dilation_h, I dilation_w) {
    for (I place = first_place<I>(); place < count; place += grid_size<I>()) {
        I column = place % width;
        I row = place / width % height;
        i64 offset = (i64)(place / width / height) * out_height * out_width;
        i64 self = (i64)row * width + column;

        // The first window is the first whose last tap reaches this row; the last, the last whose first tap does.
        I reach_h = row + pad_h - (kernel_h - 1) * dilation_h, reach_w = column + pad_w - (kernel_w - 1) * dilation_w;
        I first_h = reach_h > 0 ? (reach_h + stride_h - 1) / stride_h : 0;
        I first_w = reach_w > 0 ? (reach_w + stride_w - 1) / stride_w : 0;
        I last_h = min((row + pad_h) / stride_h, out_height - 1), last_w = min((column + pad_w) / stride_w, out_width - 1);

        acc_t<T> sum = 0;
        for (I h = first_h; h <= last_h; ++h)
            for (I w = first_w; w <= last_w; ++w) {
                i64 window = offset + (i64)h * out_width + w;
                if (indices[window] == self) sum += widen(g[window]);
            }
        narrow(sum, dx[place]);
    }
}

// Backward from the indices alone: a warp owns a plane and walks its outputs 32 at a time, in order. Lanes that hit the
// same pixel find one another, and the lowest of them adds their values in order: the same sum, in the same order, as
// one thread walking the plane. dx starts as zeros and is of the accumulator's type.
template <typename T>
__global__ void max_pool2d_scatter(const T* __restrict__ g, const i64* __restrict__ indices, acc_t<T>* dx, i64 planes,
                                   i64 in_plane, i64 out_plane) {
    int lane = threadIdx.x % WARP;
    for (i64 plane = first_place<i64>() / WARP; plane < planes; plane += grid_size<i64>() / WARP) {
        acc_t<T>* target = dx + plane * in_plane;
        for (i64 start = 0; start < out_plane; start += WARP) {
            i64 place = plane * out_plane + start + lane;
            bool live = start + lane < out_plane;
            i64 at = live ? indices[place] : -1;
            acc_t<T> value = live ? widen(g[place]) : (acc_t<T>)0;
            // A window that lies wholly in the padding has no pixel: its index is outside the plane.
            if (at >= in_plane) at = -1;

            u32 peers = __match_any_sync(ALL_LANES, (u64)at);
            u32 waiting = at < 0 ? 0u : peers;
            acc_t<T> sum = at < 0 ? (acc_t<T>)0 : target[at];
            // Every lane takes part in every shuffle; those whose peers are all added only lend their value.
            while (__any_sync(ALL_LANES, waiting != 0)) {
                acc_t<T> next = __shfl_sync(ALL_LANES, value, waiting ? __ffs(waiting) - 1 : lane);
                if (waiting) sum += next;
                waiting &= waiting - 1;
            }
            // All lanes have read before the leaders write, and the writes are seen in the next round.
            __syncwarp();
            if (at >= 0 && lane == __ffs(peers) - 1) target[at] = sum;
            __syncwarp();
        }
    }
}
