// The curve -x^2 + y^2 = 1 + d x^2 y^2 over GF(2^255 - 19). A signature (R, S) of M under A is valid when
// [S]B = R + [SHA-512(R, A, M)]A. Plain double-and-add: a load verifies one signature.
#include "runtime/Package/Ed25519.h"
#include "runtime/Package/Sha.h"
#include <cstring>

namespace lathe::runtime {
namespace {

using uint128 = unsigned __int128;

// A field element: five limbs of 51 bits, loosely reduced (limbs below 2^54 between operations).
struct Field {
  uint64_t limb[5];
};
constexpr uint64_t mask51 = (uint64_t(1) << 51) - 1;

Field small(uint64_t value) { return {{value, 0, 0, 0, 0}}; }

void carry(Field &f) {
  for (int i = 0; i < 4; ++i) {
    f.limb[i + 1] += f.limb[i] >> 51;
    f.limb[i] &= mask51;
  }
  f.limb[0] += 19 * (f.limb[4] >> 51);
  f.limb[4] &= mask51;
}

Field operator+(const Field &a, const Field &b) {
  Field r;
  for (int i = 0; i < 5; ++i)
    r.limb[i] = a.limb[i] + b.limb[i];
  carry(r);
  return r;
}

Field operator-(const Field &a, const Field &b) {
  Field r; // a + 4p - b, so that no limb goes below zero
  for (int i = 0; i < 5; ++i)
    r.limb[i] = a.limb[i] + 4 * (i ? mask51 : mask51 - 18) - b.limb[i];
  carry(r);
  return r;
}

Field operator*(const Field &a, const Field &b) {
  uint128 t[5] = {};
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 5; ++j) // 2^255 = 19
      t[(i + j) % 5] += static_cast<uint128>(a.limb[i]) * (i + j < 5 ? b.limb[j] : 19 * b.limb[j]);
  Field r;
  for (int i = 0; i < 5; ++i) {
    r.limb[i] = static_cast<uint64_t>(t[i]) & mask51;
    uint128 high = t[i] >> 51;
    if (i < 4)
      t[i + 1] += high;
    else {
      high = high * 19 + r.limb[0];
      r.limb[0] = static_cast<uint64_t>(high) & mask51;
      r.limb[1] += static_cast<uint64_t>(high >> 51);
    }
  }
  return r;
}

// a to the 255-bit power whose little-endian bytes are `first`, thirty times 0xff, `last`.
Field power(const Field &a, uint8_t first, uint8_t last) {
  Field r = small(1);
  for (int bit = 255; bit-- > 0;) {
    uint8_t byte = bit / 8 == 0 ? first : bit / 8 == 31 ? last : 0xff;
    r = r * r;
    if (byte >> bit % 8 & 1)
      r = r * a;
  }
  return r;
}
Field invert(const Field &a) { return power(a, 0xeb, 0x7f); }        // p - 2
Field rootPower(const Field &a) { return power(a, 0xfd, 0x0f); }     // (p - 5) / 8
Field squareRootOfMinusOne() { return power(small(2), 0xfb, 0x1f); } // 2^((p - 1) / 4)

void encode(Field f, uint8_t bytes[32]) {
  carry(f);
  carry(f);
  // Now f < 2^255 + small: add 19 and look whether it passes 2^255, that is f >= p.
  uint64_t over = 19;
  for (int i = 0; i < 5; ++i)
    over = (f.limb[i] + over) >> 51;
  f.limb[0] += 19 * over;
  for (int i = 0; i < 4; ++i) {
    f.limb[i + 1] += f.limb[i] >> 51;
    f.limb[i] &= mask51;
  }
  f.limb[4] &= mask51;
  memset(bytes, 0, 32);
  for (int bit = 0; bit < 255; ++bit)
    bytes[bit / 8] |= (f.limb[bit / 51] >> bit % 51 & 1) << bit % 8;
}

// False unless the 255 bits are the canonical encoding of an element.
bool decode(const uint8_t bytes[32], Field &f) {
  f = small(0);
  for (int bit = 0; bit < 255; ++bit)
    f.limb[bit / 51] |= uint64_t(bytes[bit / 8] >> bit % 8 & 1) << bit % 51;
  uint8_t again[32];
  encode(f, again);
  again[31] |= bytes[31] & 0x80;
  return !memcmp(again, bytes, 32);
}

bool equal(const Field &a, const Field &b) {
  uint8_t x[32], y[32];
  encode(a, x);
  encode(b, y);
  return !memcmp(x, y, 32);
}

// Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z.
struct Point {
  Field x, y, z, t;
};

Field curveD() { return (small(0) - small(121665)) * invert(small(121666)); }

// RFC 8032, 5.1.4; complete, so it doubles too.
Point add(const Point &p, const Point &q, const Field &d) {
  Field a = (p.y - p.x) * (q.y - q.x), b = (p.y + p.x) * (q.y + q.x);
  Field c = p.t * (d + d) * q.t, z = p.z * q.z;
  Field zz = z + z, e = b - a, f = zz - c, g = zz + c, h = b + a;
  return {e * f, g * h, f * g, e * h};
}

Point multiply(const uint8_t scalar[32], const Point &p, const Field &d) {
  Point r = {small(0), small(1), small(1), small(0)};
  for (int bit = 256; bit-- > 0;) {
    r = add(r, r, d);
    if (scalar[bit / 8] >> bit % 8 & 1)
      r = add(r, p, d);
  }
  return r;
}

// Whether the point's order divides 8. With such a key anybody can sign.
bool hasSmallOrder(Point p, const Field &d) {
  for (int i = 0; i < 3; ++i)
    p = add(p, p, d);
  return equal(p.x, small(0)) && equal(p.y, p.z);
}

// RFC 8032, 5.1.3.
bool decode(const uint8_t bytes[32], const Field &d, Point &p) {
  if (!decode(bytes, p.y))
    return false;
  Field yy = p.y * p.y, u = yy - small(1), v = d * yy + small(1);
  Field v3 = v * v * v, x = u * v3 * rootPower(u * v3 * v3 * v);
  Field check = v * x * x;
  if (!equal(check, u)) {
    if (!equal(check, small(0) - u))
      return false;
    x = x * squareRootOfMinusOne();
  }
  uint8_t encoded[32];
  encode(x, encoded);
  bool odd = bytes[31] >> 7;
  if (equal(x, small(0)) && odd)
    return false;
  p.x = (encoded[0] & 1) == odd ? x : small(0) - x;
  p.z = small(1);
  p.t = p.x * p.y;
  return true;
}

void encode(const Point &p, uint8_t bytes[32]) {
  Field inverse = invert(p.z);
  uint8_t x[32];
  encode(p.x * inverse, x);
  encode(p.y * inverse, bytes);
  bytes[31] |= x[0] << 7;
}

// The order of the base point, 2^252 + 27742317777372353535851937790883648493, little-endian words.
constexpr uint64_t order[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};

// value -= order if value >= order; returns whether it did.
bool subtractOrder(uint64_t value[4]) {
  uint64_t difference[4], borrow = 0;
  for (int i = 0; i < 4; ++i) {
    uint128 t = static_cast<uint128>(value[i]) - order[i] - borrow;
    difference[i] = static_cast<uint64_t>(t);
    borrow = static_cast<uint64_t>(t >> 64) & 1;
  }
  if (!borrow)
    memcpy(value, difference, sizeof difference);
  return !borrow;
}

// A 512-bit number modulo the order, bit by bit.
void reduce(const uint8_t wide[64], uint8_t scalar[32]) {
  uint64_t r[4] = {};
  for (int bit = 512; bit-- > 0;) {
    for (int i = 3; i > 0; --i)
      r[i] = r[i] << 1 | r[i - 1] >> 63;
    r[0] = r[0] << 1 | (wide[bit / 8] >> bit % 8 & 1);
    subtractOrder(r);
  }
  memcpy(scalar, r, 32);
}

} // namespace

bool verifyEd25519(const uint8_t signature[64], const uint8_t publicKey[32], const void *message, size_t size) {
  uint64_t s[4];
  memcpy(s, signature + 32, 32);
  if (subtractOrder(s)) // S must be below the order, or else signatures could be altered
    return false;
  const Field d = curveD();
  Point a, base;
  uint8_t baseBytes[32];
  encode(small(4) * invert(small(5)), baseBytes);
  if (!decode(publicKey, d, a) || !decode(baseBytes, d, base) || hasSmallOrder(a, d))
    return false;
  Sha512 hash;
  hash.update(signature, 32);
  hash.update(publicKey, 32);
  hash.update(message, size);
  uint8_t wide[64], k[32], r[32];
  hash.finish(wide);
  reduce(wide, k);
  a.x = small(0) - a.x;
  a.t = small(0) - a.t;
  encode(add(multiply(signature + 32, base, d), multiply(k, a, d), d), r); // [S]B - [k]A
  return !memcmp(r, signature, 32);
}

} // namespace lathe::runtime
