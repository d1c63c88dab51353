// Just enough of CUDA to run the kernels' own text on the host, for machines without a GPU.
//
// Each thread of a block is a fibre. It runs until it waits (at a warp's or the block's barrier) or returns. Lanes and
// warps run as far ahead of one another as the barriers let them, forwards or backwards, so that a missing barrier
// shows. Shuffles are a slot a lane between two barriers. A kernel whose lanes do not all arrive is reported, not hung.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __global__ static
#define __forceinline__ inline
#define __shared__ static  // blocks run one after the other

using std::exp;
using std::log;
using std::min;
using std::sqrt;

struct Dim { unsigned x, y, z; };
struct uint4 { unsigned x, y, z, w; };
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

static Dim gridDim, blockDim, blockIdx, threadIdx;

template <typename To, typename From> static To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits_as");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
static float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static float __int_as_float(int x) { return bits_as<float>(x); }
static unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static double __longlong_as_double(long long x) { return bits_as<double>(x); }
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static int __ffs(unsigned x) { return __builtin_ffs((int)x); }

static float half_to_float(unsigned short bits) { return (float)bits_as<_Float16>(bits); }
static unsigned short float_to_half(float value) { return bits_as<unsigned short>((_Float16)value); }

enum State { READY, AT_WARP, AT_BLOCK, DONE };
struct Fibre {
    ucontext_t context;
    std::vector<char> stack;
    State state;
    unsigned long long slot;
};
static std::vector<Fibre> fibres;
static ucontext_t scheduler;
static unsigned current;
static const char* fault;

static void wait_as(State state) {
    unsigned me = current;
    fibres[me].state = state;
    swapcontext(&fibres[me].context, &scheduler);
}
static void __syncthreads() { wait_as(AT_BLOCK); }
static void __syncwarp() { wait_as(AT_WARP); }

template <typename V> static V from_lane(V value, unsigned lane) {
    unsigned warp = current / 32 * 32;
    memcpy(&fibres[current].slot, &value, sizeof value);
    wait_as(AT_WARP);
    V got;
    memcpy(&got, &fibres[warp + lane].slot, sizeof got);
    wait_as(AT_WARP);
    return got;
}
static void whole_warp(unsigned mask) { if (mask != 0xffffffffu) fault = "a shuffle of part of a warp"; }
template <typename V> static V __shfl_sync(unsigned mask, V value, int lane) {
    whole_warp(mask);
    return from_lane(value, (unsigned)lane % 32);
}
template <typename V> static V __shfl_down_sync(unsigned mask, V value, int by) {
    whole_warp(mask);
    unsigned lane = current % 32;
    return from_lane(value, lane + by < 32 ? lane + by : lane);
}
static unsigned __match_any_sync(unsigned mask, unsigned long long value) {
    whole_warp(mask);
    unsigned peers = 0;
    for (unsigned lane = 0; lane < 32; ++lane) peers |= (unsigned)(from_lane(value, lane) == value) << lane;
    return peers;
}
static int __any_sync(unsigned mask, int predicate) {
    whole_warp(mask);
    int any = 0;
    for (unsigned lane = 0; lane < 32; ++lane) any |= from_lane(predicate != 0, lane);
    return any;
}

struct Call { virtual void run() = 0; };
static Call* call;
static void enter() {
    call->run();
    fibres[current].state = DONE;
    swapcontext(&fibres[current].context, &scheduler);
}

// Let each lane run until it waits, and release them if all wait at the warp's barrier. False if nothing could run.
static bool run_warp(unsigned warp, bool backwards) {
    bool moved = false;
    unsigned at_warp = 0;
    for (unsigned i = 0; i < 32; ++i) {
        unsigned thread = warp + (backwards ? 31 - i : i);
        if (fibres[thread].state != READY) continue;
        moved = true;
        current = thread;
        threadIdx.x = thread;
        swapcontext(&scheduler, &fibres[thread].context);
    }
    for (unsigned t = warp; t < warp + 32; ++t) at_warp += fibres[t].state == AT_WARP;
    if (at_warp == 32)
        for (unsigned t = warp; t < warp + 32; ++t) fibres[t].state = READY;
    return moved || at_warp == 32;
}

static void run_block(bool backwards) {
    unsigned threads = blockDim.x;
    if (threads % 32) { fault = "a block that is not whole warps"; return; }
    if (fibres.size() != threads) fibres = std::vector<Fibre>(threads);
    for (Fibre& fibre : fibres) {
        fibre.stack.resize(1 << 16);
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.data();
        fibre.context.uc_stack.ss_size = fibre.stack.size();
        fibre.context.uc_link = nullptr;
        fibre.state = READY;
        makecontext(&fibre.context, enter, 0);
    }
    unsigned warps = threads / 32;
    for (;;) {
        bool moved = false;
        unsigned done = 0, at_block = 0;
        for (unsigned i = 0; i < warps; ++i) {
            unsigned warp = 32 * (backwards ? warps - 1 - i : i);
            while (run_warp(warp, backwards)) moved = true;
            for (unsigned t = warp; t < warp + 32; ++t) {
                done += fibres[t].state == DONE;
                at_block += fibres[t].state == AT_BLOCK;
            }
        }
        if (done == threads || fault) return;
        if (at_block == threads)
            for (Fibre& fibre : fibres) fibre.state = READY;
        else if (!moved) { fault = "threads wait for others that never come"; return; }
    }
}

// What Python says of an argument: 'p' a device pointer (size = that of an element, 0 for null), else 'i', 'u', 'f'.
struct Argument { void* value; char kind; int size; };

template <typename P> static P take(const Argument& argument) {
    typedef typename std::remove_pointer<P>::type Element;
    bool pointer = std::is_pointer<P>::value;
    char kind = pointer ? 'p' : std::is_floating_point<P>::value ? 'f' : std::is_unsigned<P>::value ? 'u' : 'i';
    int size = pointer ? (int)sizeof(Element) : (int)sizeof(P);
    bool null = pointer && argument.size == 0;
    if (argument.kind != kind || (argument.size != size && !null)) {
        fault = "an argument that is not of its parameter's type";
        return P();
    }
    P value;
    memcpy(&value, argument.value, sizeof value);
    return value;
}

template <typename... P> struct Kernel : Call {
    void (*kernel)(P...);
    const Argument* arguments;
    void run() override { run_with(std::index_sequence_for<P...>()); }
    template <size_t... I> void run_with(std::index_sequence<I...>) { kernel(take<P>(arguments[I])...); }
};

template <typename... P>
static const char* launch(void (*kernel)(P...), Dim grid, Dim block, const Argument* arguments, int count,
                          bool backwards) {
    if (count != (int)sizeof...(P)) return "as many arguments as parameters are wanted";
    Kernel<P...> one;
    one.kernel = kernel;
    one.arguments = arguments;
    call = &one;
    fault = nullptr;
    gridDim = grid;
    blockDim = block;
    unsigned long long blocks = (unsigned long long)grid.x * grid.y * grid.z;
    for (unsigned long long i = 0; i < blocks && !fault; ++i) {
        unsigned long long number = backwards ? blocks - 1 - i : i;
        blockIdx = {(unsigned)(number % grid.x), (unsigned)(number / grid.x % grid.y), (unsigned)(number / grid.x / grid.y)};
        run_block(backwards);
    }
    return fault;
}
