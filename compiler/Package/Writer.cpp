// Lays out the file, streams the weights into it, and writes header and records last.
#include "compiler/Package/Writer.h"
#include "compiler/Package/Layout.h"
#include "compiler/Package/Table.h"
#include "dialects/Tfm/Weights.h"
#include "runtime/Package/Format.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/xxhash.h"
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace mlir;
using namespace lathe;
using namespace lathe::package;

namespace {
using Digest = std::array<uint8_t, 32>;

ArrayRef<uint8_t> asBytes(const void *data, size_t size) { return {static_cast<const uint8_t *>(data), size}; }

/// A file that appears under its name when all is written. Keeps the first error.
class OutputFile {
public:
  explicit OutputFile(StringRef path) : path(path) {}
  ~OutputFile() {
    if (temporary)
      consumeError(temporary->discard());
    if (direct >= 0)
      ::close(direct);
  }

  bool open() {
    llvm::sys::fs::file_status status;
    if (!llvm::sys::fs::status(path, status) && status.type() != llvm::sys::fs::file_type::regular_file) {
      if (status.type() == llvm::sys::fs::file_type::directory_file)
        return fail("it is a folder");
      direct = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
      return direct >= 0 || failErrno();
    }
    auto created = llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp");
    if (!created)
      return fail(toString(created.takeError()));
    temporary.emplace(std::move(*created));
    return true;
  }

  bool write(uint64_t offset, ArrayRef<uint8_t> bytes) {
    while (error.empty() && !bytes.empty()) {
      ssize_t count = ::pwrite(temporary ? temporary->FD : direct, bytes.data(), bytes.size(), offset);
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return failErrno();
      bytes = bytes.drop_front(count);
      offset += count;
    }
    return error.empty();
  }

  bool commit() {
    if (!error.empty() || !temporary)
      return error.empty();
    llvm::Error kept = temporary->keep(path);
    temporary.reset();
    return kept ? fail(toString(std::move(kept))) : true;
  }

  const std::string &getError() const { return error; }

private:
  bool fail(const Twine &why) {
    error = why.str();
    return false;
  }
  bool failErrno() { return fail(std::strerror(errno)); }

  std::string path, error;
  std::optional<llvm::sys::fs::TempFile> temporary;
  int direct = -1;
};

/// Bytes of the weights' segment, in order, written and hashed by the chunk.
class ChunkWriter {
public:
  ChunkWriter(OutputFile &file, uint64_t begin) : file(file), begin(begin) { chunk.reserve(kWeightChunk); }

  void append(ArrayRef<char> bytes) {
    while (!bytes.empty()) {
      size_t count = std::min<size_t>(bytes.size(), kWeightChunk - chunk.size());
      chunk.insert(chunk.end(), bytes.begin(), bytes.begin() + count);
      bytes = bytes.drop_front(count);
      if (chunk.size() == kWeightChunk)
        flush();
    }
  }
  void padTo(uint64_t offset) {
    static constexpr char zeros[program::kAlignment] = {};
    append(ArrayRef<char>(zeros, offset - (written + chunk.size())));
  }
  void flush() {
    if (chunk.empty())
      return;
    Digest digest = llvm::SHA256::hash(asBytes(chunk.data(), chunk.size()));
    hashes.insert(hashes.end(), digest.begin(), digest.end());
    file.write(begin + written, asBytes(chunk.data(), chunk.size()));
    written += chunk.size();
    chunk.clear();
  }

  std::vector<uint8_t> hashes;

private:
  OutputFile &file;
  uint64_t begin, written = 0;
  std::vector<char> chunk;
};

class PackageWriter {
public:
  PackageWriter(ModuleOp module, ArrayRef<TargetCode> code, const WriteOptions &options, StringRef path)
      : module(module), code(code), options(options), file(path), path(path),
        bytesOf(module.getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights()) {}

  FailureOr<Summary> run() {
    Summary summary = summarize(module);
    summary.compression.evaluation = options.evaluation;
    llvm::json::Object metadata = options.metadata;
    metadata["summary"] = toJson(summary);
    std::string metadataText;
    llvm::raw_string_ostream(metadataText) << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(metadata)));

    if (failed(placeWeights()))
      return failure();
    auto table = buildTable(module, code, weights, code.size(), options.name);
    if (failed(table))
      return failure();
    if (table->size() > kMaxTableSize)
      return module.emitError("the package's table takes ")
                 << table->size() << " bytes, more than the format's " << kMaxTableSize,
             failure();

    for (const TargetCode &target : code)
      addSegment(target.getKind(), 0, 64, target.code.size());
    if (weightBytes) {
      addSegment(SegmentKind::Weights, 0, kMaxAlignment, weightBytes);
      addSegment(SegmentKind::WeightHashes, code.size(), 64, llvm::divideCeil(weightBytes, kWeightChunk) * 32);
    }
    addSegment(SegmentKind::Metadata, 0, 8, metadataText.size());
    Header header = {};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.major = kFormatMajor;
    header.minor = kFormatMinor;
    if (llvm::any_of(weights, [](const StoredWeight &stored) { return stored.isDeep(); }))
      header.required_features |= kDeepPanels;
    header.table_offset = sizeof(Header);
    header.table_size = table->size();
    header.segments_offset = llvm::alignTo(header.table_offset + header.table_size, 8);
    header.segment_count = segments.size();
    uint64_t end = header.segments_offset + segments.size() * sizeof(Segment);
    for (Segment &segment : segments) {
      segment.offset = llvm::alignTo(end, segment.alignment);
      end = segment.offset + segment.size;
    }
    header.file_size = end;

    if (!file.open())
      return failToWrite();
    for (auto [index, target] : llvm::enumerate(code))
      writeSegment(segments[index], asBytes(target.code.data(), target.code.size()));
    if (weightBytes) {
      Segment &data = segments[code.size()], &hashes = segments[code.size() + 1];
      ChunkWriter writer(file, data.offset);
      if (failed(writeWeights(writer)))
        return failure();
      writeSegment(hashes, writer.hashes);
      std::memcpy(data.sha256, hashes.sha256, sizeof data.sha256);
    }
    writeSegment(segments.back(), asBytes(metadataText.data(), metadataText.size()));

    llvm::SHA256 hash;
    ArrayRef<uint8_t> records = asBytes(segments.data(), segments.size() * sizeof(Segment));
    hash.update(asBytes(&header, offsetof(Header, table_sha256)));
    hash.update(*table);
    hash.update(records);
    Digest digest = hash.final();
    std::memcpy(header.table_sha256, digest.data(), digest.size());
    file.write(header.table_offset, *table);
    file.write(header.segments_offset, records);
    file.write(0, asBytes(&header, sizeof header));
    if (!file.commit())
      return failToWrite();
    summary.packageBytes = end;
    return summary;
  }

private:
  LogicalResult failToWrite() {
    return emitError(UnknownLoc::get(module.getContext())) << "can't write '" << path << "': " << file.getError();
  }

  void addSegment(SegmentKind kind, uint32_t link, uint32_t alignment, uint64_t size) {
    Segment segment = {};
    segment.kind = static_cast<uint32_t>(kind);
    segment.link = link;
    segment.alignment = alignment;
    segment.size = size;
    segments.push_back(segment);
  }

  void writeSegment(Segment &segment, ArrayRef<uint8_t> bytes) {
    Digest digest = llvm::SHA256::hash(bytes);
    std::memcpy(segment.sha256, digest.data(), digest.size());
    file.write(segment.offset, bytes);
  }

  FailureOr<ArrayRef<char>> getBytes(tfm::WeightOp weight) {
    auto bytes = bytesOf.getBytes(weight);
    if (!bytes)
      return weight.emitError(toString(bytes.takeError())), failure();
    return *bytes;
  }

  /// A name for a weight as it is stored: the model's own, made valid and unique.
  std::string getName(tfm::WeightOp weight, kernel::PanelAttr layout) {
    std::string name = weight.getOrigin().value_or(weight.getSymName()).take_front(512).str();
    for (char &c : name)
      if (static_cast<unsigned char>(c) < ' ')
        c = '?';
    if (layout)
      name += " (panels of " + std::to_string(layout.getWidth()) +
              (layout.getDepth() > 1 ? " by " + std::to_string(layout.getDepth()) : "") +
              (layout.getTransposed() ? ", transposed)" : ")");
    std::string unique = name;
    for (unsigned i = 2; !names.insert(unique).second; ++i)
      unique = name + " #" + std::to_string(i);
    return unique;
  }

  /// The weights that entries use, in order, and where their bytes go: equal bytes under one layout once.
  LogicalResult placeWeights() {
    SymbolTable symbols(module);
    llvm::DenseSet<std::pair<Operation *, Attribute>> seen;
    // By size, hash and layout; what agrees is compared.
    std::map<std::pair<uint64_t, std::pair<uint64_t, uint64_t>>, SmallVector<StoredWeight *>> places;
    SmallVector<std::pair<tfm::WeightOp, kernel::PanelAttr>> used;
    module.walk([&](program::WeightOp use) {
      auto weight = symbols.lookup<tfm::WeightOp>(use.getWeight());
      if (seen.insert({weight, use.getLayoutAttr()}).second)
        used.push_back({weight, use.getLayoutAttr()});
    });
    weights.reserve(used.size());
    for (auto &use : used) {
      tfm::WeightOp weight = use.first;
      kernel::PanelAttr layout = use.second;
      auto size = getStoredBytes(weight.getTensorType(), layout);
      if (!size)
        return weight.emitOpError("has a size that overflows");
      weights.push_back({weight, layout, getName(weight, layout), *size});
      StoredWeight &stored = weights.back();
      if (stored.isRandom())
        continue;
      auto bytes = getBytes(weight);
      if (failed(bytes))
        return failure();
      llvm::XXH128_hash_t hash = llvm::xxh3_128bits(asBytes(bytes->data(), bytes->size()));
      auto &equal = places[{*size, {hash.high64, hash.low64}}];
      auto *same = llvm::find_if(equal, [&](StoredWeight *other) {
        auto otherBytes = getBytes(other->weight);
        bool sameShape = !layout || other->weight.getTensorType().getShape() == weight.getTensorType().getShape();
        return other->layout == layout && sameShape && succeeded(otherBytes) && *otherBytes == *bytes;
      });
      if (same != equal.end()) {
        stored.offset = (*same)->offset;
        continue;
      }
      stored.offset = llvm::alignTo(weightBytes, program::kAlignment);
      weightBytes = stored.offset + stored.size;
      equal.push_back(&stored);
      distinct.push_back(&stored);
    }
    return success();
  }

  LogicalResult writeWeights(ChunkWriter &writer) {
    for (StoredWeight *stored : distinct) {
      auto bytes = getBytes(stored->weight);
      if (failed(bytes))
        return failure();
      writer.padTo(stored->offset);
      layOut(stored->weight.getTensorType(), stored->layout, *bytes,
             [&](ArrayRef<char> piece) { writer.append(piece); });
      options.progress(static_cast<double>(stored->offset + stored->size) / weightBytes);
    }
    writer.flush();
    return success();
  }

  ModuleOp module;
  ArrayRef<TargetCode> code;
  const WriteOptions &options;
  OutputFile file;
  StringRef path;
  tfm::Weights &bytesOf;
  llvm::StringSet<> names;
  std::vector<StoredWeight> weights;
  SmallVector<StoredWeight *> distinct; // those with bytes of their own
  uint64_t weightBytes = 0;
  std::vector<Segment> segments;
};
} // namespace

FailureOr<Summary> package::writePackage(ModuleOp module, ArrayRef<TargetCode> code, const WriteOptions &options,
                                         StringRef path) {
  return PackageWriter(module, code, options, path).run();
}
