#include "tools/lathe-run/Npy.h"
#include <cstring>
#include <string_view>

namespace lathe::tool {

namespace {
constexpr char kMagic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
constexpr size_t kMaxRank = 64; // NumPy's own limit

struct Descriptor {
  const char *text;
  ElementType type;
};
// What formatNpy writes. A reader also meets '=' or '|' in place of '<'.
constexpr Descriptor kDescriptors[] = {
    {"|b1", ElementType::Bool}, {"|i1", ElementType::I8},  {"|u1", ElementType::U8},   {"<i2", ElementType::I16},
    {"<u2", ElementType::U16},  {"<i4", ElementType::I32}, {"<u4", ElementType::U32},  {"<i8", ElementType::I64},
    {"<u8", ElementType::U64},  {"<f2", ElementType::F16}, {"|V2", ElementType::BF16}, {"<f4", ElementType::F32},
    {"<f8", ElementType::F64}};

// The header is a Python dict literal with three keys, of strings, booleans and a tuple of integers.
class HeaderParser {
public:
  HeaderParser(std::string_view text, Tensor &tensor, std::string &error) : text(text), tensor(tensor), error(error) {}

  bool parse() {
    bool seen[3] = {};
    if (!accept('{'))
      return fail("its header is not a dictionary");
    while (!accept('}')) {
      std::string_view key;
      if (!string(key) || !accept(':'))
        return fail("its header is not a dictionary");
      int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0 || seen[which])
        return fail("its header has an unknown or repeated key '" + std::string(key.substr(0, 32)) + "'");
      seen[which] = true;
      if (!(which == 0 ? descriptor() : which == 1 ? order() : shape()))
        return false;
      if (!accept(',') && peek() != '}')
        return fail("its header is not a dictionary");
    }
    if (!seen[0] || !seen[1] || !seen[2])
      return fail("its header lacks one of descr, fortran_order, shape");
    skipSpace();
    return at == text.size() || fail("its header has text after the dictionary");
  }

private:
  std::string_view text;
  Tensor &tensor;
  std::string &error;
  size_t at = 0;

  bool fail(std::string message) {
    error = std::move(message);
    return false;
  }
  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t'))
      ++at;
  }
  char peek() {
    skipSpace();
    return at < text.size() ? text[at] : '\0';
  }
  bool accept(char c) {
    if (peek() != c)
      return false;
    ++at;
    return true;
  }
  bool accept(std::string_view word) {
    skipSpace();
    if (text.substr(at, word.size()) != word)
      return false;
    at += word.size();
    return true;
  }
  bool string(std::string_view &out) {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      return false;
    size_t end = text.find(quote, at + 1);
    if (end == std::string_view::npos)
      return false;
    out = text.substr(at + 1, end - at - 1);
    at = end + 1;
    return true;
  }

  bool descriptor() {
    std::string_view got;
    if (!string(got))
      return fail("its element type is a structure; expected a plain type such as '<f4'");
    for (const Descriptor &d : kDescriptors) {
      bool oneByte = d.text[2] == '1' || d.text[1] == 'V';
      std::string_view want = d.text;
      if (got.size() == 3 && got.substr(1) == want.substr(1) &&
          (got[0] == '<' || got[0] == '=' || got[0] == '|' || (oneByte && got[0] == '>'))) {
        tensor.type = d.type;
        return true;
      }
    }
    std::string hint = !got.empty() && got[0] == '>' ? "; hint: store it little-endian" : "";
    return fail("its element type is '" + std::string(got.substr(0, 32)) +
                "'; expected a boolean, integer or float, little-endian" + hint);
  }
  bool order() {
    if (accept(std::string_view("False")))
      return true;
    if (accept(std::string_view("True")))
      return fail("it is in Fortran order; expected C order; hint: save numpy.ascontiguousarray(a)");
    return fail("fortran_order is neither True nor False");
  }
  bool shape() {
    if (!accept('('))
      return fail("its shape is not a tuple");
    while (!accept(')')) {
      int64_t value = 0;
      size_t begin = (skipSpace(), at);
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[at] - '0', &value))
          return fail("a dimension of its shape does not fit 63 bits");
      if (at == begin || tensor.dims.size() == kMaxRank)
        return fail("its shape is not a tuple of at most 64 non-negative integers");
      tensor.dims.push_back(value);
      if (!accept(',') && peek() != ')')
        return fail("its shape is not a tuple of at most 64 non-negative integers");
    }
    return true;
  }
};
} // namespace

bool parseNpy(const uint8_t *data, uint64_t size, Tensor &tensor, std::string &error) {
  tensor = Tensor();
  if (size < 10 || std::memcmp(data, kMagic, sizeof kMagic) != 0) {
    error = "it does not begin as a .npy file does";
    return false;
  }
  unsigned version = data[6];
  uint64_t length = data[8] | uint64_t(data[9]) << 8, begin = 10;
  if (version >= 2 && size >= 12) {
    length |= uint64_t(data[10]) << 16 | uint64_t(data[11]) << 24;
    begin = 12;
  }
  if (version < 1 || version > 3) {
    error = "its format version is " + std::to_string(version) + "; expected 1, 2 or 3";
    return false;
  }
  if (length > size - begin) {
    error = "it is truncated inside its header";
    return false;
  }
  std::string_view header(reinterpret_cast<const char *>(data) + begin, length);
  if (!HeaderParser(header, tensor, error).parse())
    return false;
  std::optional<uint64_t> bytes = byteCount(tensor.type, tensor.dims);
  uint64_t rest = size - begin - length;
  if (!bytes || *bytes != rest) {
    error = "its shape " + shapeText(tensor.dims) + " of " + typeName(tensor.type) + " needs " +
            (bytes ? std::to_string(*bytes) : "more than 2^63") + " bytes, got " + std::to_string(rest);
    return false;
  }
  tensor.bytes.assign(data + begin + length, data + size);
  return true;
}

std::vector<uint8_t> formatNpy(const Tensor &tensor) {
  std::string header = "{'descr': '";
  for (const Descriptor &d : kDescriptors)
    if (d.type == tensor.type)
      header += d.text;
  header += "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.dims.size(); ++i)
    header += (i ? " " : "") + std::to_string(tensor.dims[i]) + (i + 1 < tensor.dims.size() || i == 0 ? "," : "");
  header += "), }";
  // The data begin at a multiple of 64; 64 dimensions of 20 digits fit version 1's 16-bit length.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::vector<uint8_t> out(kMagic, kMagic + sizeof kMagic);
  out.insert(out.end(), {1, 0, uint8_t(header.size()), uint8_t(header.size() >> 8)});
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), tensor.bytes.begin(), tensor.bytes.end());
  return out;
}

bool readNpy(const std::string &path, Tensor &tensor, std::string &error) {
  std::vector<uint8_t> bytes;
  if (!readFile(path, bytes, error))
    return false;
  if (parseNpy(bytes.data(), bytes.size(), tensor, error))
    return true;
  error = "can't read '" + path + "': " + error;
  return false;
}

bool writeNpy(const std::string &path, const Tensor &tensor, std::string &error) {
  std::vector<uint8_t> bytes = formatNpy(tensor);
  return writeFile(path, bytes.data(), bytes.size(), error);
}

} // namespace lathe::tool
