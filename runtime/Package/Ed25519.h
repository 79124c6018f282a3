// Verification of Ed25519 signatures (RFC 8032). Not constant-time: everything that it sees is public.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::runtime {

bool verifyEd25519(const uint8_t signature[64], const uint8_t publicKey[32], const void *message, size_t size);

} // namespace lathe::runtime
