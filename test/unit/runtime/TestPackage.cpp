// Serializing the structs and laying out the file.
#include "TestPackage.h"
#include "runtime/Package/Sha.h"
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace lathe::test {
using namespace package;
using flatbuffers::Offset;

Expr symbol(int64_t index) {
  Expr e;
  e.steps = {FormulaStep(index, FormulaOp::symbol)};
  return e;
}
Expr combine(FormulaOp op, Expr left, const Expr &right) {
  left.steps.insert(left.steps.end(), right.steps.begin(), right.steps.end());
  left.steps.push_back(FormulaStep(0, op));
  return left;
}

template <class T, class F> static auto map(const std::vector<T> &items, F &&convert) {
  std::vector<decltype(convert(items[0]))> result;
  for (const T &item : items)
    result.push_back(convert(item));
  return result;
}

namespace {
class Serializer {
  Offset<Formula> formula(const Expr &e) { return CreateFormulaDirect(builder, &e.steps); }
  auto values(const std::vector<Value> &values) {
    return map(values, [&](const Value &v) {
      auto dims = map(v.dims, [&](const Expr &e) { return formula(e); });
      return CreateValueDirect(builder, v.name.c_str(), v.type, &dims);
    });
  }
  Offset<package::Entry> entry(const Entry &e) {
    auto inputs = values(e.inputs), outputs = values(e.outputs);
    auto requirements = map(e.requirements, [&](const Requirement &r) {
      auto left = formula(r.left), right = formula(r.right);
      return CreateRequirementDirect(builder, left, right, r.message.c_str());
    });
    auto arena = formula(e.arenaSize);
    auto buffers = map(e.buffers, [&](const Buffer &b) {
      auto offset = formula(b.offset), size = formula(b.size);
      return CreateBuffer(builder, offset, size);
    });
    auto launches = map(e.launches, [&](const Launch &l) {
      auto params = map(l.params, [&](const Expr &p) { return formula(p); });
      return CreateLaunchDirect(builder, l.kernel, &l.operands, &params);
    });
    return CreateEntryDirect(builder, e.name.c_str(), &inputs, &outputs, &requirements, arena, &buffers, &launches,
                             e.batchSymbol);
  }

public:
  Bytes run(const Model &model) {
    auto symbols = map(model.symbols, [&](const Symbol &s) {
      return package::CreateSymbolDirect(builder, s.name.c_str(), s.min, s.max);
    });
    auto targets = map(model.targets, [&](const Target &t) {
      return package::CreateTargetDirect(builder, t.name.c_str(), t.segment, t.driver);
    });
    auto weights = map(model.weights, [&](const Weight &w) {
      auto layout = w.rows ? package::CreateLayout(builder, w.rows, w.columns, w.panel, false, w.depth) : 0;
      auto random = w.random ? package::CreateRandomSource(builder, w.seed, w.tensor, w.scale) : 0;
      return package::CreateWeightDirect(builder, w.name.c_str(), w.type, w.size, w.segment, w.offset, layout, random);
    });
    auto kernels = map(model.kernels, [&](const Kernel &k) {
      auto variants = map(k.variants, [&](const Variant &v) {
        auto tiles = formula(v.tiles), scratch = formula(v.scratch);
        auto maps = map(v.maps, [&](const TensorMap &m) {
          auto dims = map(m.dims, [&](const Expr &e) { return formula(e); });
          auto strides = map(m.strides, [&](const Expr &e) { return formula(e); });
          return package::CreateTensorMapDirect(builder, m.operand, m.type, &dims, &strides, &m.box, m.swizzle);
        });
        return package::CreateKernelVariantDirect(builder, v.symbol.c_str(), tiles, scratch, v.threads, v.shared, &maps,
                                                  v.early);
      });
      auto origins = map(k.origins, [&](const std::string &o) { return builder.CreateString(o); });
      return package::CreateKernelDirect(builder, k.name.c_str(), &variants, &origins);
    });
    auto entries = map(model.entries, [&](const Entry &e) { return entry(e); });
    auto name = builder.CreateString(model.name); // not by c_str: a test puts a zero into it
    auto symbolVector = builder.CreateVector(symbols);
    auto targetVector = builder.CreateVector(targets);
    auto weightVector = builder.CreateVector(weights);
    auto kernelVector = builder.CreateVector(kernels);
    auto entryVector = builder.CreateVector(entries);
    FinishProgramBuffer(builder, CreateProgram(builder, name, symbolVector, targetVector, weightVector, kernelVector,
                                               entryVector, model.kernelAbi));
    return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  }

private:
  flatbuffers::FlatBufferBuilder builder;
};
} // namespace

Bytes buildTable(const Model &model) { return Serializer().run(model); }

static void hash(const Bytes &bytes, uint8_t digest[32]) { runtime::sha256(bytes.data(), bytes.size(), false, digest); }

void rehash(Bytes &package) {
  Header header;
  memcpy(&header, package.data(), sizeof header);
  auto inside = [&](uint64_t offset, uint64_t size) {
    return offset <= package.size() && size <= package.size() - offset;
  };
  if (!inside(header.table_offset, header.table_size) ||
      !inside(header.segments_offset, uint64_t(header.segment_count) * sizeof(Segment)))
    return;
  runtime::Sha256 sha(false);
  sha.update(&header, offsetof(Header, table_sha256));
  sha.update(package.data() + header.table_offset, header.table_size);
  sha.update(package.data() + header.segments_offset, header.segment_count * sizeof(Segment));
  sha.finish(header.table_sha256);
  memcpy(package.data(), &header, sizeof header);
}

Bytes assemble(const Bytes &table, std::vector<SegmentData> segments) {
  std::vector<Segment> records(segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    SegmentData &data = segments[i];
    if (data.kind == SegmentKind::WeightHashes) {
      const Bytes &weights = segments[data.link].bytes;
      data.bytes.clear();
      for (size_t at = 0; at < weights.size(); at += kWeightChunk) {
        uint8_t digest[32];
        runtime::sha256(&weights[at], std::min<size_t>(kWeightChunk, weights.size() - at), false, digest);
        data.bytes.insert(data.bytes.end(), digest, digest + 32);
      }
      hash(data.bytes, records[i].sha256);
      memcpy(records[data.link].sha256, records[i].sha256, 32);
    } else if (data.kind != SegmentKind::Weights)
      hash(data.bytes, records[i].sha256);
  }
  Bytes file(sizeof(Header));
  auto pad = [&](size_t alignment) { file.resize((file.size() + alignment - 1) / alignment * alignment); };
  Header header = {};
  memcpy(header.magic, kMagic, sizeof kMagic);
  header.major = kFormatMajor;
  header.minor = kFormatMinor;
  header.table_offset = file.size();
  header.table_size = table.size();
  file.insert(file.end(), table.begin(), table.end());
  pad(8);
  header.segments_offset = file.size();
  header.segment_count = static_cast<uint32_t>(records.size());
  file.resize(file.size() + records.size() * sizeof(Segment));
  for (size_t i = 0; i < segments.size(); ++i) {
    pad(segments[i].alignment);
    records[i].kind = static_cast<uint32_t>(segments[i].kind);
    records[i].link = segments[i].link;
    records[i].alignment = segments[i].alignment;
    records[i].offset = file.size();
    records[i].size = segments[i].bytes.size();
    file.insert(file.end(), segments[i].bytes.begin(), segments[i].bytes.end());
  }
  if (!records.empty())
    memcpy(&file[header.segments_offset], records.data(), records.size() * sizeof(Segment));
  header.file_size = file.size();
  memcpy(file.data(), &header, sizeof header);
  rehash(file);
  return file;
}

Bytes kernelElf() {
  std::ifstream file(LATHE_TEST_KERNELS, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

static Operand input(uint32_t i) { return Operand(OperandKind::input, i); }
static Operand output(uint32_t i) { return Operand(OperandKind::output, i); }
static Operand buffer(uint32_t i) { return Operand(OperandKind::buffer, i); }
static Operand weight(uint32_t i) { return Operand(OperandKind::weight, i); }

Model gatherModel() {
  Expr batch = symbol(0), sequence = symbol(1), tokens = batch * sequence;
  Expr arena = ceildiv(tokens * 16, 64) * 64;
  Model model;
  model.name = "gather";
  model.symbols = {{"batch", 0, 4}, {"sequence", 0, 16}};
  model.targets = {{"x86-64", 0}};
  model.weights = {{"table", ElementType::f32, 160, 1, 0, 10, 4}, {"gain", ElementType::f32, 16, 1, 192, 1, 4}};
  model.kernels = {{"gather", {{"gather_rows", tokens, 0}}, {"embedding/Gather"}},
                   {"scale", {{"scale_rows", ceildiv(tokens, 2), 16}}, {"mask/Mul", "gain/Mul"}}};
  Entry entry;
  entry.name = "main";
  entry.inputs = {{"ids", ElementType::i64, {batch, sequence}}, {"mask", ElementType::f32, {batch, sequence}}};
  entry.outputs = {{"y", ElementType::f32, {batch, sequence, 4}}};
  entry.arenaSize = arena;
  entry.buffers = {{0, tokens * 16}};
  entry.launches = {{0, {input(0), weight(0), buffer(0)}, {10, 4}},
                    {1, {buffer(0), input(1), weight(1), output(0)}, {tokens, 4, 0}}};
  entry.batchSymbol = 0;
  model.entries = {entry};
  return model;
}

std::vector<SegmentData> gatherSegments() {
  std::vector<float> weights(52);
  for (int i = 0; i < 40; ++i)
    weights[i] = static_cast<float>(i);
  for (int i = 0; i < 4; ++i)
    weights[48 + i] = static_cast<float>(i + 1);
  Bytes weightBytes(weights.size() * sizeof(float));
  memcpy(weightBytes.data(), weights.data(), weightBytes.size());
  std::string metadata = "{\"compiler\":\"test\"}";
  return {{SegmentKind::CpuElf, 0, 64, kernelElf()},
          {SegmentKind::Weights, 0, 4096, weightBytes},
          {SegmentKind::WeightHashes, 1, 64, {}},
          {SegmentKind::Metadata, 0, 8, Bytes(metadata.begin(), metadata.end())}};
}

Bytes gatherPackage() { return assemble(buildTable(gatherModel()), gatherSegments()); }

Model cudaModel() {
  Model model = gatherModel();
  Expr tokens = symbol(0) * symbol(1);
  model.targets.push_back({"cuda-sim", 4, 12000});
  model.kernels[0].variants.push_back({"gather_rows", ceildiv(tokens, 32), 0, 32});
  model.kernels[1].variants.push_back({"scale_rows", ceildiv(tokens, 8), 64, 32, 1024});
  model.entries[0].launches[0].params.push_back(tokens); // the CPU's kernel counts tiles
  return model;
}

std::vector<SegmentData> cudaSegments() {
  std::vector<SegmentData> segments = gatherSegments();
  std::ifstream file(LATHE_TEST_CUDA_KERNELS, std::ios::binary);
  segments.push_back({SegmentKind::Cubin, 0, 64, Bytes(std::istreambuf_iterator<char>(file), {})});
  return segments;
}

Bytes cudaPackage() { return assemble(buildTable(cudaModel()), cudaSegments()); }

Bytes vectorPackage(const std::string &kernel) {
  Model model;
  model.name = kernel;
  model.symbols = {{"n", 0, 4096}};
  model.targets = {{"x86-64", 0}};
  model.kernels = {{kernel, {{kernel, symbol(0), 0}}, {kernel + "/Node"}}};
  Entry entry;
  entry.name = "main";
  entry.inputs = {{"x", ElementType::u32, {symbol(0)}}};
  entry.outputs = {{"y", ElementType::u32, {symbol(0)}}};
  entry.arenaSize = 0;
  entry.launches = {{0, {output(0)}, {}}};
  model.entries = {entry};
  return assemble(buildTable(model), {{SegmentKind::CpuElf, 0, 64, kernelElf()}});
}

} // namespace lathe::test
