#include "tools/lathe-run/TensorProto.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7)
    out += char(value | 128);
  return out + char(value);
}
std::string number(int field, uint64_t value) { return varint(uint64_t(field) << 3) + varint(value); }
std::string bytes(int field, const std::string &data) {
  return varint(uint64_t(field) << 3 | 2) + varint(data.size()) + data;
}

bool parse(const std::string &text, Tensor &tensor, std::string &error) {
  return parseTensorProto(reinterpret_cast<const uint8_t *>(text.data()), text.size(), tensor, error);
}
std::string parseError(const std::string &text) {
  Tensor tensor;
  std::string error;
  EXPECT_FALSE(parse(text, tensor, error));
  return error;
}
Tensor parsed(const std::string &text) {
  Tensor tensor;
  std::string error;
  EXPECT_TRUE(parse(text, tensor, error)) << error;
  return tensor;
}

TEST(TensorProto, ReadsRawData) {
  Tensor tensor = parsed(number(1, 2) + number(1, 1) + number(2, 1) + bytes(8, "x") +
                         bytes(9, std::string("\0\0\x80\x3f\0\0\0\xc0", 8)));
  EXPECT_EQ(tensor.name, "x");
  EXPECT_EQ(tensor.dims, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(tensor.asDouble(0), 1);
  EXPECT_EQ(tensor.asDouble(1), -2);
}

TEST(TensorProto, ReadsTypedFieldsPackedAndNot) {
  std::string minusTwo = varint(uint64_t(-2));
  for (const std::string &values : {bytes(7, varint(300) + minusTwo), number(7, 300) + number(7, uint64_t(-2))}) {
    Tensor tensor = parsed(bytes(1, varint(2)) + number(2, 7) + values);
    EXPECT_EQ(tensor.type, ElementType::I64);
    EXPECT_EQ(int64_t(tensor.asInteger(0)), 300);
    EXPECT_EQ(int64_t(tensor.asInteger(1)), -2);
  }
  Tensor i8 = parsed(number(1, 1) + number(2, 3) + bytes(5, minusTwo));
  EXPECT_EQ(int64_t(i8.asInteger(0)), -2);
  Tensor u32 = parsed(number(2, 12) + number(11, 0xffffffff)); // no dims: a scalar
  EXPECT_EQ(int64_t(u32.asInteger(0)), 0xffffffff);
  Tensor f16 = parsed(number(2, 10) + number(5, 0x3c00));
  EXPECT_EQ(f16.asDouble(0), 1);
  Tensor f64 = parsed(number(2, 11) + bytes(10, std::string("\0\0\0\0\0\0\xf0\x3f", 8)));
  EXPECT_EQ(f64.asDouble(0), 1);
  Tensor f32 = parsed(number(2, 1) + varint(4 << 3 | 5) + std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(f32.asDouble(0), 1);
  EXPECT_EQ(parsed(number(1, 0) + number(2, 1)).count(), 0u); // no field at all for no element
}

TEST(TensorProto, RejectsWhatIsNotSound) {
  EXPECT_NE(parseError("").find("data type is 0"), std::string::npos);
  EXPECT_NE(parseError(number(2, 8) + bytes(6, "text")).find("strings"), std::string::npos);
  EXPECT_NE(parseError(number(2, 17) + bytes(9, "x")).find("data type is 17"), std::string::npos);
  EXPECT_NE(parseError(number(1, 2) + number(2, 1) + bytes(9, "abcd")).find("needs 8 bytes, got 4"), std::string::npos);
  EXPECT_NE(parseError(number(1, uint64_t(-1)) + number(2, 1)).find("non-negative"), std::string::npos);
  EXPECT_NE(parseError(number(1, 1ull << 62) + number(1, 4) + number(2, 1)).find("63 bits"), std::string::npos);
  EXPECT_NE(parseError(number(2, 7) + number(7, 1) + bytes(9, "12345678")).find("two fields"), std::string::npos);
  EXPECT_NE(parseError(number(2, 7) + number(5, 1)).find("field 5"), std::string::npos);
  EXPECT_NE(parseError(number(2, 3) + number(5, 300)).find("does not fit i8"), std::string::npos);
  EXPECT_NE(parseError(number(2, 9) + number(5, 2)).find("does not fit bool"), std::string::npos);
  EXPECT_NE(parseError(number(2, 1) + bytes(13, "x")).find("another file"), std::string::npos);
  EXPECT_NE(parseError(number(2, 1) + number(14, 1)).find("another file"), std::string::npos);
  EXPECT_NE(parseError(number(2, 1) + bytes(3, "")).find("segment"), std::string::npos);
  EXPECT_NE(parseError(bytes(2, "x")).find("wire type 2"), std::string::npos);
  EXPECT_NE(parseError(bytes(4, "abc")).find("ends inside a value"), std::string::npos);
  EXPECT_NE(parseError(bytes(7, "\x80")).find("ends inside a value"), std::string::npos);
  EXPECT_NE(parseError(std::string(11, '\xff')).find("not a serialized"), std::string::npos);
}

TEST(TensorProto, RejectsEveryTruncationThatCutsAField) {
  std::string whole = number(1, 2) + number(2, 1) + bytes(9, "abcdefgh");
  for (size_t size = 0; size < whole.size(); ++size)
    parseError(whole.substr(0, size));
}

TEST(TensorProto, LimitsTheRank) {
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += number(1, 1);
  EXPECT_NE(parseError(many + number(2, 2) + bytes(9, "x")).find("at most 64"), std::string::npos);
}
} // namespace
