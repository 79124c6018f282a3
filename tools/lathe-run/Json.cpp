#include "tools/lathe-run/Json.h"
#include <charconv>
#include <cmath>

namespace lathe::tool {

namespace {
// The length of the well-formed UTF-8 sequence at the front, or 0. Overlong forms and surrogates are not well-formed.
size_t utf8Length(std::string_view s) {
  unsigned char lead = s[0];
  size_t length = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
  if (length > s.size())
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((s[i] & 0xc0) != 0x80)
      return 0;
  if (length >= 3) {
    unsigned char second = s[1];
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second >= 0x90))
      return 0;
  }
  return length;
}
} // namespace

void JsonWriter::separate() {
  if (afterKey) {
    afterKey = false;
    return;
  }
  if (!nesting.empty()) {
    text += first ? "\n" : ",\n";
    text.append(2 * nesting.size(), ' ');
  }
  first = false;
}

void JsonWriter::quote(std::string_view raw) {
  static const char digits[] = "0123456789abcdef";
  text += '"';
  for (size_t i = 0; i < raw.size();) {
    unsigned char c = raw[i];
    size_t length = utf8Length(raw.substr(i));
    if (c == '"' || c == '\\') {
      (text += '\\') += char(c);
    } else if (c < 0x20) {
      ((text += "\\u00") += digits[c >> 4]) += digits[c & 15];
    } else if (length == 0) {
      text += "\\ufffd";
    } else {
      text += raw.substr(i, length);
    }
    i += length ? length : 1;
  }
  text += '"';
}

JsonWriter &JsonWriter::open(char bracket) {
  separate();
  text += bracket;
  nesting += bracket;
  first = true;
  return *this;
}

JsonWriter &JsonWriter::close(char bracket) {
  nesting.pop_back();
  if (!first) {
    text += '\n';
    text.append(2 * nesting.size(), ' ');
  }
  text += bracket;
  first = false;
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  text += ": ";
  afterKey = true;
  return *this;
}

JsonWriter &JsonWriter::value(std::string_view raw) {
  separate();
  quote(raw);
  return *this;
}

JsonWriter &JsonWriter::value(double number) {
  separate();
  char buffer[32];
  if (std::isfinite(number))
    text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  else
    text += "null";
  return *this;
}

JsonWriter &JsonWriter::value(int64_t number) {
  separate();
  text += std::to_string(number);
  return *this;
}

JsonWriter &JsonWriter::value(uint64_t number) {
  separate();
  text += std::to_string(number);
  return *this;
}

JsonWriter &JsonWriter::value(bool truth) {
  separate();
  text += truth ? "true" : "false";
  return *this;
}

} // namespace lathe::tool
