// Philox4x64-10 (Salmon et al., 2011), as NumPy's Philox gives it: block b of a stream that starts at `offset` is the
// cipher of the counter offset + 1 + b, because NumPy counts up before it makes a block.

__device__ __forceinline__ void philox_round(u64 c[4], u64 key0, u64 key1) {
    const u64 m0 = 0xD2E7470EE14C6C93ULL, m1 = 0xCA5A826395121157ULL;
    u64 high0 = __umul64hi(m0, c[0]), low0 = m0 * c[0];
    u64 high1 = __umul64hi(m1, c[2]), low1 = m1 * c[2];
    c[0] = high1 ^ c[1] ^ key0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ key1;
    c[3] = low0;
}

// Each thread makes one block of four 64-bit words and writes it as eight 32-bit words, low halves first.
__global__ void philox_words(u32* __restrict__ out, i64 n, u64 seed, u64 offset0, u64 offset1, u64 offset2, u64 offset3) {
    i64 blocks = (n + 7) / 8;
    for (i64 block = first_place<i64>(); block < blocks; block += grid_size<i64>()) {
        // The counter is one number of 256 bits: a word that comes out smaller than what was added has carried.
        u64 c[4] = {offset0 + (u64)block + 1, offset1, offset2, offset3};
        bool carry = c[0] < (u64)block + 1;
        for (int i = 1; i < 4 && carry; ++i) carry = ++c[i] == 0;

        u64 key0 = seed, key1 = 0;
        for (int round = 0; round < 10; ++round) {
            philox_round(c, key0, key1);
            key0 += 0x9E3779B97F4A7C15ULL;
            key1 += 0xBB67AE8584CAA73BULL;
        }
        if (block * 8 + 8 <= n) {  // two stores of 16 bytes
            uint4* to = (uint4*)(out + block * 8);
            to[0] = make_uint4((u32)c[0], (u32)(c[0] >> 32), (u32)c[1], (u32)(c[1] >> 32));
            to[1] = make_uint4((u32)c[2], (u32)(c[2] >> 32), (u32)c[3], (u32)(c[3] >> 32));
        } else {
            for (int i = 0; i < 8; ++i)
                if (block * 8 + i < n) out[block * 8 + i] = (u32)(c[i / 2] >> (i % 2 * 32));
        }
    }
}
