// One launch updates every tensor of a group. The table holds, as 64-bit numbers: the pointers (SLOTS rows of `tensors`
// entries), the lengths, then for each chunk its tensor and its first element. A block takes a chunk.
// Arithmetic is that of PyTorch's single-tensor optimizers, in the accumulator's type, each result rounded once.

template <typename T> struct Chunk {
    i64 tensor, begin, end;
    const i64* table;
    i64 tensors;

    __device__ __forceinline__ Chunk(const i64* table, i64 tensors, i64 chunks, i64 chunk, int slots, i64 number)
        : table(table), tensors(tensors) {
        const i64* lengths = table + slots * tensors;
        tensor = lengths[tensors + number];
        begin = lengths[tensors + chunks + number];
        end = min(begin + chunk, lengths[tensor]);
    }

    // The array in a slot; null where the table holds 0.
    __device__ __forceinline__ T* slot(int number) const { return (T*)table[number * tensors + tensor]; }
};

// Slots: param, grad, momentum (null on the first step) -> new param, new momentum (null without momentum).
template <typename T>
__global__ void fused_sgd(const i64* __restrict__ table, i64 tensors, i64 chunks, i64 chunk, double lr_, double momentum_,
                         double damped_, double weight_decay_, int nesterov, int maximize) {
    typedef acc_t<T> A;
    A lr = (A)lr_, momentum = (A)momentum_, damped = (A)damped_, weight_decay = (A)weight_decay_;
    for (i64 number = blockIdx.x; number < chunks; number += gridDim.x) {
        Chunk<T> c(table, tensors, chunks, chunk, 5, number);
        const T *params = c.slot(0), *grads = c.slot(1), *old = c.slot(2);
        T *new_params = c.slot(3), *kept = c.slot(4);
        for (i64 i = c.begin + threadIdx.x; i < c.end; i += blockDim.x) {
            A p = widen(params[i]), g = widen(grads[i]);
            if (maximize) g = -g;
            if (weight_decay != 0) g += weight_decay * p;
            if (kept) {
                // The first step's momentum is the gradient itself, undamped.
                A m = old ? momentum * widen(old[i]) + damped * g : g;
                narrow(m, kept[i]);
                g = nesterov ? g + momentum * m : m;
            }
            narrow(p - lr * g, new_params[i]);
        }
    }
}

// Slots: param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq -> the new param, exp_avg, exp_avg_sq, max_exp_avg_sq; both
// max slots are null without amsgrad. shrink is 1 - lr * weight_decay for the decoupled decay (AdamW), else 1.
template <typename T>
__global__ void fused_adam(const i64* __restrict__ table, i64 tensors, i64 chunks, i64 chunk, double step_size_,
                          double root_correction_, double keep1_, double beta2_, double keep2_, double eps_,
                          double weight_decay_, double shrink_, int maximize) {
    typedef acc_t<T> A;
    A step_size = (A)step_size_, root_correction = (A)root_correction_, keep1 = (A)keep1_, beta2 = (A)beta2_;
    A keep2 = (A)keep2_, eps = (A)eps_, weight_decay = (A)weight_decay_, shrink = (A)shrink_;
    for (i64 number = blockIdx.x; number < chunks; number += gridDim.x) {
        Chunk<T> c(table, tensors, chunks, chunk, 9, number);
        const T *params = c.slot(0), *grads = c.slot(1), *avgs = c.slot(2), *squares = c.slot(3), *tops = c.slot(4);
        T *new_params = c.slot(5), *new_avgs = c.slot(6), *new_squares = c.slot(7), *new_tops = c.slot(8);
        for (i64 i = c.begin + threadIdx.x; i < c.end; i += blockDim.x) {
            A p = widen(params[i]) * shrink, g = widen(grads[i]), m = widen(avgs[i]);
            if (maximize) g = -g;
            if (weight_decay != 0) g += weight_decay * p;
            // lerp: from the nearer end, so that both ends come out exactly.
            m = keep1 < (A)0.5 ? m + keep1 * (g - m) : g - (g - m) * ((A)1 - keep1);
            A v = beta2 * widen(squares[i]) + keep2 * g * g;
            narrow(m, new_avgs[i]);
            narrow(v, new_squares[i]);
            A top = v;
            if (new_tops) {
                A before = widen(tops[i]);
                if (before > v || before != before) top = before;  // a NaN on either side stays
                narrow(top, new_tops[i]);
            }
            narrow(p - step_size * (m / (sqrt(top) / root_correction + eps)), new_params[i]);
        }
    }
}
