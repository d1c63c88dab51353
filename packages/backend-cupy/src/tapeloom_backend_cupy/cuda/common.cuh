// The beginning of every family's source: it is put before the family's text, so that no header is looked for at
// run time and NVRTC compiles the same text on every machine.

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

// Half types are storage only: two bytes that are widened to float, computed with, and rounded back once.
struct float16 { unsigned short bits; };
struct bfloat16 { unsigned short bits; };

// The type in which sums and exponentials are computed.
template <typename T> struct Accumulator { typedef float type; };
template <> struct Accumulator<double> { typedef double type; };
template <typename T> using acc_t = typename Accumulator<T>::type;

#ifdef __CUDACC__  // the tests also compile this text for the host, with their own versions of these two
__device__ __forceinline__ float half_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ __forceinline__ unsigned short float_to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

__device__ __forceinline__ double widen(double x) { return x; }
__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(float16 x) { return half_to_float(x.bits); }
__device__ __forceinline__ float widen(bfloat16 x) { return __uint_as_float((u32)x.bits << 16); }

__device__ __forceinline__ void narrow(double x, double& out) { out = x; }
__device__ __forceinline__ void narrow(float x, float& out) { out = x; }
__device__ __forceinline__ void narrow(float x, float16& out) { out.bits = float_to_half(x); }

// A bfloat16 is the upper half of a float, rounded to nearest even. NaN is kept apart: rounding up could carry its
// payload into the exponent and make it an infinity.
__device__ __forceinline__ void narrow(float x, bfloat16& out) {
    u32 bits = __float_as_uint(x);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    out.bits = (unsigned short)(nan ? 0x7fc0u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <typename A> __device__ __forceinline__ A infinity();
template <> __device__ __forceinline__ float infinity<float>() { return __int_as_float(0x7f800000); }
template <> __device__ __forceinline__ double infinity<double>() { return __longlong_as_double(0x7ff0000000000000LL); }

template <typename A> __device__ __forceinline__ A not_a_number() { return infinity<A>() - infinity<A>(); }

// The place of this thread in the grid, and the size of the grid, for loops that walk on by whole grids:
// any grid is right for any size. I is int where every place fits (its divisions are several times cheaper), else i64.
template <typename I> __device__ __forceinline__ I first_place() {
    return (I)blockIdx.x * (I)blockDim.x + (I)threadIdx.x;
}
template <typename I> __device__ __forceinline__ I grid_size() { return (I)gridDim.x * (I)blockDim.x; }

#define WARP 32
#define ALL_LANES 0xffffffffu
