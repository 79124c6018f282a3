// Writes JSON: two spaces of indentation, numbers in their shortest exact form whatever the locale, keys in the order
// of the calls.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lathe::tool {

class JsonWriter {
public:
  JsonWriter &beginObject() { return open('{'); }
  JsonWriter &endObject() { return close('}'); }
  JsonWriter &beginArray() { return open('['); }
  JsonWriter &endArray() { return close(']'); }
  JsonWriter &key(std::string_view name);
  JsonWriter &value(std::string_view text); // bytes that are not UTF-8 are replaced
  JsonWriter &value(const char *text) { return value(std::string_view(text)); }
  JsonWriter &value(double number); // null where it is not finite, for JSON has no such number
  JsonWriter &value(int64_t number);
  JsonWriter &value(uint64_t number);
  JsonWriter &value(bool truth);

  // key and value in one.
  template <typename T> JsonWriter &field(std::string_view name, const T &v) { return key(name).value(v); }

  // The document so far, with a final newline; complete when every object and array is closed.
  std::string take() { return std::move(text += '\n'); }

private:
  std::string text;
  std::string nesting;
  bool first = true, afterKey = false;

  void separate();
  void quote(std::string_view raw);
  JsonWriter &open(char bracket);
  JsonWriter &close(char bracket);
};

} // namespace lathe::tool
