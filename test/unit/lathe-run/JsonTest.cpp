#include "tools/lathe-run/Json.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
TEST(Json, WritesNestedDocuments) {
  JsonWriter json;
  json.beginObject().field("a", 0.1).key("b").beginArray();
  json.value(int64_t(-1)).value(true).value("x").endArray();
  json.key("empty").beginObject().endObject().endObject();
  EXPECT_EQ(json.take(), "{\n  \"a\": 0.1,\n  \"b\": [\n    -1,\n    true,\n    \"x\"\n  ],\n  \"empty\": {}\n}\n");
}

TEST(Json, EscapesAndReplaces) {
  auto quoted = [](std::string_view text) { return JsonWriter().value(text).take(); };
  EXPECT_EQ(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"\n");
  EXPECT_EQ(quoted("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"\n");
  // Not UTF-8: a lone continuation, a cut sequence, an overlong one, a surrogate.
  for (const char *bad : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80"})
    EXPECT_NE(quoted(bad).find("\\ufffd"), std::string::npos);
}

TEST(Json, HasNoInfinities) {
  EXPECT_EQ(JsonWriter().value(INFINITY).take(), "null\n");
  EXPECT_EQ(JsonWriter().value(double(NAN)).take(), "null\n");
}
} // namespace
