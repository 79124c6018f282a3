// The semantic verifier: each rule has a model that breaks it and nothing else; hashes are right throughout.
#include "runtime/Package/Verify.h"
#include "Fixture.h"
#include "runtime/Base/Status.h"
#include "runtime/Package/Image.h"
#include <cstring>

using namespace lathe;
using namespace lathe::test;
using package::ElementType;
using package::Operand;
using package::OperandKind;
using package::SegmentKind;

static Outcome verify(const Bytes &bytes) {
  runtime::Allocator allocator;
  runtime::Image image;
  if (runtime::Status status = runtime::readImage(allocator, bytes.data(), bytes.size(), false, image))
    return status.take();
  return runtime::verifyProgram(allocator, image).take();
}
static Outcome verify(const Model &model) { return verify(assemble(buildTable(model), gatherSegments())); }

// The model with one change must fail with this message.
template <class Change> static void expectInvalid(const char *message, Change &&change) {
  Model model = gatherModel();
  change(model);
  Outcome outcome = verify(model);
  EXPECT_TRUE(outcome.code == LATHE_CORRUPT && outcome.mentions(message)) << message << " / " << outcome;
  EXPECT_NE(outcome.offset, UINT64_MAX) << message;
}

TEST(Verify, GoodModel) { EXPECT_EQ(verify(gatherModel()).code, LATHE_OK); }

TEST(Verify, Symbols) {
  expectInvalid("two symbols have one name ('batch')", [](Model &m) { m.symbols[1].name = "batch"; });
  expectInvalid("a name is empty", [](Model &m) { m.symbols[1].name = ""; });
  expectInvalid("a name is too long", [](Model &m) { m.symbols[1].name = std::string(200, 's'); });
  expectInvalid("a name is too long or contains a zero", [](Model &m) { m.name = std::string("a\0b", 3); });
  expectInvalid("a symbol's range is empty or negative ('batch')", [](Model &m) { m.symbols[0].min = 5; });
  expectInvalid("a symbol's range is empty or negative", [](Model &m) { m.symbols[0].min = -1; });
  expectInvalid("a formula may overflow", [](Model &m) { m.symbols[0].max = INT64_MAX; });
}

TEST(Verify, Targets) {
  expectInvalid("it has no code", [](Model &m) { m.targets.clear(); });
  expectInvalid("a target's segment is not code", [](Model &m) { m.targets[0].segment = 1; });
  expectInvalid("a target's segment is not code", [](Model &m) { m.targets[0].segment = 4; });
  expectInvalid("two targets have one name", [](Model &m) {
    m.targets.push_back(m.targets[0]);
    for (Kernel &kernel : m.kernels)
      kernel.variants.push_back(kernel.variants[0]);
  });
  Model model = gatherModel();
  model.kernelAbi = 2;
  EXPECT_EQ(verify(model).code, LATHE_UNSUPPORTED);
}

TEST(Verify, Weights) {
  expectInvalid("two weights have one name", [](Model &m) { m.weights[1].name = "table"; });
  expectInvalid("a weight's type or size", [](Model &m) { m.weights[0].type = static_cast<ElementType>(13); });
  expectInvalid("a weight's type or size", [](Model &m) { m.weights[0].size = 161; });
  expectInvalid("does not fit its layout ('table')", [](Model &m) { m.weights[0].rows = 11; });
  expectInvalid("does not fit its layout", [](Model &m) { m.weights[0].panel = 3; });
  for (uint32_t depth : {0, 2, 4, 17}) // without panels, or more rows than the size has
    for (uint32_t panel : {0, 4})
      if (panel == 0 || 10 % std::max(depth, 1u))
        expectInvalid("does not fit its layout", [=](Model &m) {
          m.weights[0].panel = panel;
          m.weights[0].depth = depth;
        });
  expectInvalid("does not fit its layout", [](Model &m) { m.weights[0].rows = uint64_t(1) << 62; });
  expectInvalid("holds no weights", [](Model &m) { m.weights[0].segment = 0; });
  expectInvalid("holds no weights", [](Model &m) { m.weights[0].segment = 99; });
  expectInvalid("outside its segment or is misaligned", [](Model &m) { m.weights[0].offset = 32; });
  expectInvalid("outside its segment or is misaligned", [](Model &m) { m.weights[1].offset = 256; });
  expectInvalid("outside its segment or is misaligned", [](Model &m) { m.weights[1].offset = UINT64_MAX - 63; });
  expectInvalid("a random weight is not f32, f16 or bf16", [](Model &m) {
    m.weights[0].random = true;
    m.weights[0].type = ElementType::i32;
  });
  expectInvalid("random weights are too large", [](Model &m) {
    m.weights[0] = {"table", ElementType::f32, uint64_t(1) << 40, 0, 0, 1, uint64_t(1) << 38, 0, true, 1, 1, 1};
  });
}

TEST(Verify, Kernels) {
  expectInvalid("two kernels have one name", [](Model &m) { m.kernels[1].name = "gather"; });
  expectInvalid("one variant for each target", [](Model &m) { m.kernels[0].variants.clear(); });
  expectInvalid("one variant for each target",
                [](Model &m) { m.kernels[0].variants.push_back(m.kernels[0].variants[0]); });
  expectInvalid("names a symbol that does not exist", [](Model &m) { m.kernels[0].variants[0].tiles = symbol(2); });
  expectInvalid("may overflow or divide by zero",
                [](Model &m) { m.kernels[0].variants[0].scratch = floordiv(8, symbol(0)); });
  expectInvalid("a formula is negative", [](Model &m) { m.kernels[0].variants[0].scratch = symbol(0) - 2; });
  expectInvalid("a formula is negative", [](Model &m) { m.kernels[0].variants[0].tiles = symbol(0) - 9; });
}

TEST(Verify, Values) {
  expectInvalid("two inputs or two outputs have one name", [](Model &m) { m.entries[0].inputs[1].name = "ids"; });
  expectInvalid("an unknown element type",
                [](Model &m) { m.entries[0].inputs[0].type = static_cast<ElementType>(77); });
  expectInvalid("too many dimensions", [](Model &m) { m.entries[0].outputs[0].dims.resize(9, Expr(1)); });
  expectInvalid("larger than 2^63 bytes", [](Model &m) {
    m.entries[0].outputs[0].dims = {symbol(0), Expr(int64_t(1) << 31), Expr(int64_t(1) << 31)};
  });
  expectInvalid("no input's dimension binds ('sequence')", [](Model &m) {
    m.entries[0].inputs[0].dims[1] = symbol(1) + 1;
    m.entries[0].inputs[1].dims[1] = symbol(1) + 2;
  });
  expectInvalid("no input's dimension binds ('other')", [](Model &m) {
    m.symbols.push_back({"other", 0, 3});
    m.entries[0].outputs[0].dims[2] = symbol(2);
  });
}

TEST(Verify, Arena) {
  expectInvalid("a formula is negative", [](Model &m) { m.entries[0].arenaSize = symbol(0) + symbol(1) - 1; });
  expectInvalid("a formula is negative", [](Model &m) { m.entries[0].buffers[0].offset = symbol(0) * 64 - 64; });
  expectInvalid("a formula is negative", [](Model &m) { m.entries[0].outputs[0].dims[2] = symbol(0) - 1; });
  expectInvalid("outside the arena", [](Model &m) { m.entries[0].arenaSize = 0; });
  expectInvalid("outside the arena", [](Model &m) { m.entries[0].buffers[0].offset = 64; });
  expectInvalid("misaligned", [](Model &m) {
    m.entries[0].buffers[0].offset = 32;
    m.entries[0].buffers[0].size = 0;
    m.entries[0].arenaSize = 4096;
  });
  expectInvalid("may overflow", [](Model &m) { m.entries[0].arenaSize = symbol(0) * INT64_MAX; });
  expectInvalid("a formula is empty", [](Model &m) { m.entries[0].arenaSize = Expr(); });
}

TEST(Verify, Launches) {
  expectInvalid("a kernel that does not exist", [](Model &m) { m.entries[0].launches[0].kernel = 2; });
  expectInvalid("operand does not exist",
                [](Model &m) { m.entries[0].launches[0].operands[0] = Operand(OperandKind::input, 2); });
  expectInvalid("operand does not exist",
                [](Model &m) { m.entries[0].launches[0].operands[0] = Operand(OperandKind::output, 1); });
  expectInvalid("operand does not exist",
                [](Model &m) { m.entries[0].launches[0].operands[0] = Operand(OperandKind::buffer, 1); });
  expectInvalid("operand does not exist",
                [](Model &m) { m.entries[0].launches[0].operands[0] = Operand(OperandKind::weight, 2); });
  expectInvalid("operand does not exist",
                [](Model &m) { m.entries[0].launches[0].operands[0] = Operand(static_cast<OperandKind>(9), 0); });
  expectInvalid("too many operands", [](Model &m) { m.entries[0].launches[0].params.resize(257, Expr(1)); });
  expectInvalid("may overflow", [](Model &m) { m.entries[0].launches[0].params[0] = symbol(0) * INT64_MAX; });
}

TEST(Verify, Entries) {
  expectInvalid("it has no entry", [](Model &m) { m.entries.clear(); });
  expectInvalid("two entries have one name", [](Model &m) { m.entries.push_back(m.entries[0]); });
  expectInvalid("the batch symbol does not exist", [](Model &m) { m.entries[0].batchSymbol = 2; });
  expectInvalid("the batch symbol does not exist", [](Model &m) { m.entries[0].batchSymbol = -2; });
  expectInvalid("not the leading dimension alone ('ids')", [](Model &m) { m.entries[0].batchSymbol = 1; });
  expectInvalid("not the leading dimension alone ('y')",
                [](Model &m) { m.entries[0].outputs[0].dims[2] = symbol(0) + 4; });
  expectInvalid("not the leading dimension alone ('y')", [](Model &m) { m.entries[0].outputs[0].dims.clear(); });
}

TEST(Verify, Segments) {
  auto check = [](const char *message, auto &&change) {
    std::vector<SegmentData> segments = gatherSegments();
    change(segments);
    Outcome outcome = verify(assemble(buildTable(gatherModel()), segments));
    EXPECT_TRUE(outcome.code == LATHE_CORRUPT && outcome.mentions(message)) << message << " / " << outcome;
  };
  check("weights without hashes", [](auto &s) { s[2] = {SegmentKind::Metadata, 0, 8, {}}; });
  check("a link that its kind does not have", [](auto &s) { s[3].link = 1; });
  check("the hashes of weights do not fit", [](auto &s) { s.push_back(s[2]); });
  check("a segment is misaligned", [](auto &s) { s[3].alignment = 24; });
  check("weights without hashes or alignment", [](auto &s) { s[1].alignment = 32; });
}

// batch + sequence - 1 with both 0, which sizes may not be.
TEST(Verify, ParametersMayBeNegative) {
  Model model = gatherModel();
  model.entries[0].launches[1].params[2] = symbol(0) + symbol(1) - 1;
  EXPECT_EQ(verify(model).code, LATHE_OK);
  model.entries[0].launches[1].params[2] = -7;
  EXPECT_EQ(verify(model).code, LATHE_OK);
}

// Changes to records and offsets, with the hash made right again.
TEST(Verify, Offsets) {
  Bytes good = gatherPackage();
  package::Header header;
  memcpy(&header, good.data(), sizeof header);
  auto check = [&](const char *message, auto &&change) {
    Bytes bytes = good;
    package::Header h = header;
    package::Segment records[4];
    memcpy(records, &bytes[header.segments_offset], sizeof records);
    change(h, records, bytes);
    memcpy(bytes.data(), &h, sizeof h);
    memcpy(&bytes[header.segments_offset], records, sizeof records);
    rehash(bytes);
    Outcome outcome = verify(bytes);
    EXPECT_TRUE(outcome.code == LATHE_CORRUPT && outcome.mentions(message)) << message << " / " << outcome;
  };
  check("the table lies outside", [](auto &h, auto *, auto &) { h.table_offset = UINT64_MAX - 8; });
  check("the table lies outside", [](auto &h, auto *, auto &) { h.table_offset = 64; });
  check("the table's size", [](auto &h, auto *, auto &) { h.table_size = UINT64_MAX; });
  check("the table's size", [](auto &h, auto *, auto &) { h.table_size = 4; });
  check("the table lies outside", [](auto &h, auto *, auto &) { h.table_size = package::kMaxTableSize; });
  check("segment records lie outside", [](auto &h, auto *, auto &) { h.segment_count = UINT32_MAX; });
  check("segment records lie outside", [](auto &h, auto *, auto &) { h.segments_offset = UINT64_MAX - 3; });
  check("segment records lie outside", [](auto &h, auto *, auto &) { h.segments_offset = 128; });
  check("reserved bytes", [](auto &h, auto *, auto &) { h.reserved = 1; });
  check("outside the file or overlaps", [](auto &, auto *r, auto &) { r[3].size += 1; });
  check("outside the file or overlaps", [](auto &, auto *r, auto &) { r[1].size = UINT64_MAX - r[1].offset + 2; });
  check("outside the file or overlaps", [](auto &, auto *r, auto &) { r[2].offset = r[1].offset; });
  check("a segment is misaligned", [](auto &, auto *r, auto &) { r[0].alignment = 0; });
  check("a segment is misaligned", [](auto &, auto *r, auto &) { r[0].alignment = 8192; });
  check("larger than any alignment needs", [](auto &, auto *r, auto &) {
    r[0].size = 0; // its bytes become a gap
  });
  check("bytes follow the last segment", [](auto &, auto *r, auto &) { r[3].size -= 1; });
  check("a byte of padding", [&](auto &, auto *r, auto &b) { b[r[1].offset - 1] = 1; });
  check("the table is malformed", [](auto &h, auto *, auto &b) { b[h.table_offset + 4] ^= 1; });
}

// Kernels that share one list of origins are small on disk but would take the FlatBuffers verifier long.
TEST(Verify, SharedOriginsAreBounded) {
  flatbuffers::FlatBufferBuilder builder;
  auto name = builder.CreateString("k");
  auto origins = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>(200000, name));
  auto variants = builder.CreateVector(std::vector<flatbuffers::Offset<package::KernelVariant>>());
  std::vector<flatbuffers::Offset<package::Kernel>> kernels;
  for (int i = 0; i < 100000; ++i)
    kernels.push_back(package::CreateKernel(builder, name, variants, origins));
  auto list = builder.CreateVector(kernels);
  auto symbols = builder.CreateVector(std::vector<flatbuffers::Offset<package::Symbol>>());
  auto targets = builder.CreateVector(std::vector<flatbuffers::Offset<package::Target>>());
  auto weights = builder.CreateVector(std::vector<flatbuffers::Offset<package::Weight>>());
  auto entries = builder.CreateVector(std::vector<flatbuffers::Offset<package::Entry>>());
  package::FinishProgramBuffer(builder,
                               package::CreateProgram(builder, name, symbols, targets, weights, list, entries, 1));
  runtime::Array<uint8_t> table;
  ASSERT_TRUE(table.allocateRaw(runtime::Allocator(), builder.GetSize(), 16));
  memcpy(table.data(), builder.GetBufferPointer(), builder.GetSize());
  EXPECT_FALSE(runtime::verifyTable(table.data(), table.size())); // and at once
}
