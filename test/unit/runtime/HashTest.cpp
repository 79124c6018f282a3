// SHA-2 and Ed25519 against the vectors of FIPS 180-4 and RFC 8032.
#include "runtime/Cpu/Features.h"
#include "runtime/Package/Ed25519.h"
#include "runtime/Package/Sha.h"
#include <gtest/gtest.h>
#include <string>

using namespace lathe::runtime;

static std::string unhex(const char *text) {
  std::string bytes;
  for (; *text; text += 2)
    bytes += static_cast<char>(std::stoi(std::string(text, 2), nullptr, 16));
  return bytes;
}
static std::string hashed256(const std::string &text, bool accelerated) {
  uint8_t digest[32];
  sha256(text.data(), text.size(), accelerated, digest);
  return std::string(reinterpret_cast<char *>(digest), 32);
}

static const char *twoBlocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

TEST(Sha256, Vectors) {
  for (bool accelerated : {false, CpuFeatures::detect().sha}) {
    EXPECT_EQ(hashed256("", accelerated), unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    EXPECT_EQ(hashed256("abc", accelerated), unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    EXPECT_EQ(hashed256(twoBlocks, accelerated),
              unhex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    EXPECT_EQ(hashed256(std::string(1000000, 'a'), accelerated),
              unhex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
  }
}

TEST(Sha256, InstructionsAgreeWithPortableCode) {
  if (!CpuFeatures::detect().sha)
    GTEST_SKIP() << "this processor has no SHA instructions";
  std::string text;
  for (int i = 0; i < 300; ++i, text += static_cast<char>(i * 37))
    EXPECT_EQ(hashed256(text, true), hashed256(text, false)) << i;
}

TEST(Sha256, PiecesGiveTheSame) {
  std::string text(257, 'x');
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash(false);
    hash.update(text.data(), cut);
    hash.update(text.data() + cut, text.size() - cut);
    uint8_t digest[32];
    hash.finish(digest);
    EXPECT_EQ(std::string(reinterpret_cast<char *>(digest), 32), hashed256(text, false));
  }
}

TEST(Sha512, Vectors) {
  auto hashed = [](const std::string &text) {
    Sha512 hash;
    hash.update(text.data(), text.size());
    uint8_t digest[64];
    hash.finish(digest);
    return std::string(reinterpret_cast<char *>(digest), 64);
  };
  EXPECT_EQ(hashed("abc"), unhex("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                                 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"));
  EXPECT_EQ(hashed(""), unhex("cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                              "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"));
}

struct Signed {
  const char *publicKey, *message, *signature;
};
static const Signed rfc8032[] = {{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                                  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                                  "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
                                 {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                                  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                                  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
                                 {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                                  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                                  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"}};

static bool valid(const std::string &signature, const std::string &key, const std::string &message) {
  return verifyEd25519(reinterpret_cast<const uint8_t *>(signature.data()),
                       reinterpret_cast<const uint8_t *>(key.data()), message.data(), message.size());
}

TEST(Ed25519, Vectors) {
  for (const Signed &v : rfc8032)
    EXPECT_TRUE(valid(unhex(v.signature), unhex(v.publicKey), unhex(v.message)));
}

TEST(Ed25519, AnyChangeIsRejected) {
  const Signed &v = rfc8032[1];
  std::string signature = unhex(v.signature), key = unhex(v.publicKey), message = unhex(v.message);
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string other = signature;
    other[i] ^= 0x40;
    EXPECT_FALSE(valid(other, key, message)) << i;
  }
  for (size_t i = 0; i < key.size(); i += 5) {
    std::string other = key;
    other[i] ^= 1;
    EXPECT_FALSE(valid(signature, other, message)) << i;
  }
  EXPECT_FALSE(valid(signature, key, message + "x"));
}

// RFC 8032, 5.1.7: S must be below the group's order L, or else S + L would be a second signature.
TEST(Ed25519, ScalarBeyondTheOrderIsRejected) {
  const Signed &v = rfc8032[0];
  std::string signature = unhex(v.signature);
  std::string order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (int i = 0; i < 32; ++i) {
    carry += static_cast<uint8_t>(signature[32 + i]) + static_cast<uint8_t>(order[i]);
    signature[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0u);
  EXPECT_FALSE(valid(signature, unhex(v.publicKey), ""));
}

// A key of small order verifies some signature of any message: here all zeros, for one message in four.
TEST(Ed25519, KeysOfSmallOrderAreRejected) {
  std::string zeros(64, '\0'), identity(32, '\0');
  identity[0] = 1;
  for (char message = 0; message < 16; ++message) {
    EXPECT_FALSE(valid(zeros, zeros, std::string(1, message)));
    EXPECT_FALSE(valid(identity + identity, identity, std::string(1, message)));
  }
}
