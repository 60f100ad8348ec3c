/* C = op(A) op(B) in bfloat16 on the matrix tiles of AMX: f32 in and out, f32 sums.
 *
 * Built and used by pretrain.py --amx. All three sizes are multiples of 32.
 *   cc -O3 -march=native -shared -fPIC amx.c -o amx.so
 * A is stored [M, K], or [K, M] if ta; B is stored [K, N], or [N, K] if tb; C is [M, N].
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct __attribute__((packed)) config {
    uint8_t palette, start_row, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

/* Asks the kernel for the tiles; 0 when they may be used. */
int amx_begin(void) { return (int)syscall(SYS_arch_prctl, 0x1023, 18); }

static void *room(void **at, size_t *have, size_t need) {
    if (*have < need) {
        free(*at);
        *at = aligned_alloc(64, need);
        *have = need;
    }
    return *at;
}

/* 16 rows of 32 numbers -> 16 x 32 bf16 */
static inline void rows_of(const float *s, long stride, __m512i v[16]) {
    for (int i = 0; i < 16; i++)
        v[i] = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(s + i * stride + 16), _mm512_loadu_ps(s + i * stride));
}

/* 32 rows of 16 numbers -> 16 x 16 pairs of neighbouring rows */
static inline void pairs_of(const float *s, long stride, __m512i v[16]) {
    static const uint16_t order[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i o = _mm512_loadu_si512(order);
    for (int i = 0; i < 16; i++) {
        __m512i x = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(s + (2 * i + 1) * stride), _mm512_loadu_ps(s + 2 * i * stride));
        v[i] = _mm512_permutexvar_epi16(o, x);
    }
}

static inline void put(__m512i v[16], int flip, uint16_t *to) {
    if (!flip) {
        for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, v[i]);
        return;
    }
    uint32_t t[256] __attribute__((aligned(64)));
    for (int i = 0; i < 16; i++) _mm512_store_si512(t + 16 * i, v[i]);
    __m512i at = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32(16));
    for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, _mm512_i32gather_epi32(at, t + i, 4));
}

void amx_gemm(int ta, int tb, long m, long n, long k, const float *a, const float *b, float *c) {
    static void *pa, *pb;
    static size_t ha, hb;
    uint16_t *ap = room(&pa, &ha, m * k * 2), *bp = room(&pb, &hb, n * k * 2);
    __m512i v[16];
    long kb = k / 32;
    for (long i = 0; i < m / 16; i++)
        for (long j = 0; j < kb; j++) {
            if (ta) pairs_of(a + j * 32 * m + i * 16, m, v);
            else rows_of(a + i * 16 * k + j * 32, k, v);
            put(v, ta, ap + (i * kb + j) * 512);
        }
    for (long i = 0; i < n / 16; i++)
        for (long j = 0; j < kb; j++) {
            if (tb) rows_of(b + i * 16 * k + j * 32, k, v);
            else pairs_of(b + j * 32 * n + i * 16, n, v);
            put(v, tb, bp + (i * kb + j) * 512);
        }
    struct config set = {0};
    set.palette = 1;
    for (int i = 0; i < 8; i++) set.bytes[i] = 64, set.rows[i] = 16;
    _tile_loadconfig(&set);
    for (long i = 0; i < m / 16; i += 2)
        for (long j = 0; j < n / 16; j += 2) {
            const uint16_t *a0 = ap + i * kb * 512, *a1 = a0 + kb * 512, *b0 = bp + j * kb * 512, *b1 = b0 + kb * 512;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (long x = 0; x < kb; x++) {
                _tile_loadd(4, a0 + x * 512, 64);
                _tile_loadd(5, a1 + x * 512, 64);
                _tile_loadd(6, b0 + x * 512, 64);
                _tile_loadd(7, b1 + x * 512, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            float *to = c + i * 16 * n + j * 16;
            _tile_stored(0, to, n * 4);
            _tile_stored(1, to + 16, n * 4);
            _tile_stored(2, to + 16 * n, n * 4);
            _tile_stored(3, to + 16 * n + 16, n * 4);
        }
    _tile_release();
}
