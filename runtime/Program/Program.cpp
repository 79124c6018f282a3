// Loading: map, read and verify the image, check trust, choose and map the code, place the weights.
#include "runtime/Program/Program.h"
#include "runtime/Cpu/PerfMap.h"
#include "runtime/Package/Ed25519.h"
#include "runtime/Package/Targets.h"
#include "runtime/Package/Verify.h"
#include <cstdio>

namespace lathe::runtime {
using namespace package;

Program::Program(Runtime &runtime)
    : runtime(runtime), allocator(runtime.allocator), weights(runtime.allocator), slab(runtime.allocator) {
  runtime.retain();
}
Program::~Program() { allocator.destroy(device); }

void Program::release() {
  if (references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  Runtime &parent = runtime;
  parent.allocator.destroy(this);
  parent.release();
}

Status Program::load(Runtime &runtime, const lathe_load_options &options, Program **out) {
  auto *program = runtime.allocator.create<Program>(runtime);
  if (!program)
    return outOfMemory();
  Status status = program->open(options);
  if (status)
    program->release();
  else
    *out = program;
  return status;
}

Status Program::open(const lathe_load_options &options) {
  if (options.verify < LATHE_VERIFY_LAZY || options.verify > LATHE_VERIFY_OFF)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "an unknown kind of verification");
  if (options.flags & ~uint32_t(LATHE_LOAD_PERF_MAP | LATHE_LOAD_INSPECT))
    return fail(allocator, LATHE_UNSUPPORTED, "load flags 0x%x are not supported by this runtime", options.flags);
  if (Status status = mapping.open(allocator, options))
    return status;
  if (Status status = readImage(allocator, mapping.data(), mapping.size(), runtime.features.sha, image))
    return status;
  if (Status status = checkTrust(options)) // before anything acts on the contents
    return status;
  if (Status status = verifyProgram(allocator, image))
    return status;
  bool inspect = options.flags & LATHE_LOAD_INSPECT;
  if (Status status = choose(options))
    return status;
  if (!inspect && !device)
    if (Status status = loadCode(options))
      return status;
  if (Status status = loadMetadata())
    return status;
  if (Status status =
          weights.load(image, mapping.data(), options.verify, runtime.features.sha, /*expand=*/!inspect && !device))
    return status;
  if (device && !inspect)
    if (Status status = device->load(image, mapping.data(), target, weights, options.verify))
      return status;
  if (isForDevice())
    if (Status status = cuda::weightBytes(allocator, table(), deviceWeightBytes))
      return status;
  loaded = !inspect;
  if (options.verify == LATHE_VERIFY_EAGER)
    if (Status status = verifyRest())
      return status;
  if (Status status = describe())
    return status;
  runtime.log(LATHE_LOG_INFO, "loaded '%s' for %s on %s: %llu bytes of weights", table().name()->c_str(),
              table().targets()->Get(target)->name()->c_str(), device ? device->device.name : deviceName,
              static_cast<unsigned long long>(weights.mappedBytes()));
  return {};
}

Status Program::checkTrust(const lathe_load_options &options) {
  if (!options.expected_digest && !options.signature)
    return {};
  if (options.verify == LATHE_VERIFY_OFF)
    return fail(allocator, LATHE_INVALID_ARGUMENT,
                "a digest or a signature vouches for weights only when they are verified; hint: LATHE_VERIFY_LAZY");
  if (options.expected_digest && memcmp(options.expected_digest, image.digest, sizeof image.digest))
    return fail(allocator, LATHE_UNTRUSTED, "the package's digest is not the expected one");
  if (options.signature && !options.public_key)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "a signature needs a public key");
  if (options.signature && !verifyEd25519(options.signature, options.public_key, &image.header, sizeof(Header)))
    return fail(allocator, LATHE_UNTRUSTED, "the package's signature does not match the public key");
  return {};
}

bool Program::isForDevice() const { return isCuda(targetKind(table().targets()->Get(target)->name()->c_str())); }

// The CPU if it runs some of the code, else a CUDA device if some is for one.
const char *Program::defaultDevice(const char *forced) const {
  bool hasCuda = false;
  for (const Target *each : *table().targets()) {
    const char *name = each->name()->c_str();
    if (forced && strcmp(name, forced))
      continue;
    if (runtime.features.canRun(name))
      return "cpu";
    hasCuda |= isCuda(targetKind(name));
  }
  return hasCuda ? "cuda:0" : "cpu";
}

Status Program::choose(const lathe_load_options &options) {
  const char *name = options.device;
  if (options.flags & LATHE_LOAD_INSPECT && !name) {
    // The target that this processor takes, or else any; no device is touched.
    Status status = chooseTarget(options.target);
    hasTarget = !status;
    for (uint32_t i = 0; options.target && !hasTarget && i < table().targets()->size(); ++i)
      if (!strcmp(table().targets()->Get(i)->name()->c_str(), options.target)) {
        target = i;
        return {};
      }
    return options.target ? std::move(status) : Status();
  }
  hasTarget = true;
  if (!name)
    name = defaultDevice(options.target);
  if (!strcmp(name, "cpu"))
    return chooseTarget(options.target);
  if (Status status = openDevice(name))
    return status;
  return device->chooseTarget(table(), options.target, target);
}

Status Program::openDevice(const char *name) {
  uint32_t ordinal;
  if (!cuda::parseDevice(name, ordinal))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "expected a device 'cpu' or 'cuda:0', got '%.64s'", name);
  device = allocator.create<cuda::DeviceProgram>(runtime);
  if (!device)
    return outOfMemory();
  snprintf(deviceName, sizeof deviceName, "cuda:%u", ordinal);
  return device->open(ordinal);
}

Status Program::chooseTarget(const char *forced) {
  char names[512] = "";
  for (uint32_t i = 0; i < table().targets()->size(); ++i) {
    const char *name = table().targets()->Get(i)->name()->c_str();
    bool runnable = runtime.features.canRun(name);
    if (forced ? !strcmp(forced, name) : runnable) {
      target = i;
      return runnable ? Status()
                      : fail(allocator, LATHE_UNSUPPORTED, "this processor or system does not run code for '%s'", name);
    }
    strncat(names, " ", sizeof names - strlen(names) - 1);
    strncat(names, name, sizeof names - strlen(names) - 1);
  }
  if (forced)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "the package has no code for '%s', it has:%s", forced, names);
  return fail(allocator, LATHE_UNSUPPORTED,
              "this processor or system runs none of the package's code, which is for:%s; hint: compile for another "
              "target",
              names);
}

Status Program::loadCode(const lathe_load_options &options) {
  const Segment &segment = image.segments[table().targets()->Get(target)->segment()];
  Array<uint8_t> copy;
  if (!copy.allocateRaw(allocator, segment.size, 16))
    return outOfMemory();
  memcpy(copy.data(), mapping.data() + segment.offset, segment.size);
  if (Status status = checkSegment(allocator, segment, copy.data(), runtime.features.sha))
    return status;
  ElfObject object;
  if (Status status = parseElf(allocator, copy.data(), copy.size(), object))
    return std::move(status).at(segment.offset);
  if (Status status = code.map(allocator, object))
    return status;
  if (!functions.allocate(allocator, table().kernels()->size()))
    return outOfMemory();
  for (uint32_t i = 0; i < functions.size(); ++i) {
    const ElfObject::Function *function = object.find(variant(i).symbol()->c_str());
    if (!function)
      return fail(allocator, LATHE_CORRUPT, "the package is invalid: its code lacks kernel '%s'",
                  variant(i).symbol()->c_str())
          .at(segment.offset);
    functions[i] = reinterpret_cast<lathe_kernel_fn>(code.address(*function));
  }
  return options.flags & LATHE_LOAD_PERF_MAP ? appendPerfMap(allocator, object, code) : Status();
}

Status Program::loadMetadata() {
  for (const Segment &segment : image.segments) {
    if (segment.kind != static_cast<uint32_t>(SegmentKind::Metadata) || *metadata)
      continue;
    char *copy = slab.allocate<char>(segment.size + 1);
    if (!copy)
      return outOfMemory();
    memcpy(copy, mapping.data() + segment.offset, segment.size);
    copy[segment.size] = 0;
    if (Status status = checkSegment(allocator, segment, copy, runtime.features.sha))
      return status;
    metadata = copy;
    metadataSize = segment.size;
  }
  return {};
}

// What an eager load looks at though it is not going to be used: other targets' code, unknown segments.
Status Program::verifyRest() {
  for (const Segment &segment : image.segments)
    if (segment.kind != static_cast<uint32_t>(SegmentKind::Weights) &&
        segment.kind != static_cast<uint32_t>(SegmentKind::WeightHashes))
      if (Status status = checkSegment(allocator, segment, mapping.data() + segment.offset, runtime.features.sha))
        return status;
  return {};
}

const char *Program::text(const Formula &formula) {
  char buffer[512];
  size_t length = printFormula(formula, table(), buffer, sizeof buffer);
  if (length >= sizeof buffer)
    memcpy(buffer + sizeof buffer - 4, "...", 4);
  length = strlen(buffer) + 1;
  char *copy = slab.allocate<char>(length);
  return copy ? static_cast<const char *>(memcpy(copy, buffer, length)) : nullptr;
}

Status Program::describe() {
  if (!entryTexts.allocate(allocator, table().entries()->size()))
    return outOfMemory();
  for (uint32_t i = 0; i < entryTexts.size(); ++i)
    if (Status status = describe(entry(i), entryTexts[i]))
      return status;
  return {};
}

bool Program::describe(const flatbuffers::Vector<flatbuffers::Offset<Value>> &values, ValueTexts *&texts) {
  if (!(texts = slab.allocate<ValueTexts>(values.size())))
    return false;
  for (uint32_t i = 0; i < values.size(); ++i)
    for (uint32_t dim = 0; dim < LATHE_MAX_RANK; ++dim) {
      bool exists = dim < values.Get(i)->dims()->size();
      texts[i].dims[dim] = exists ? text(*values.Get(i)->dims()->Get(dim)) : nullptr;
      if (exists && !texts[i].dims[dim])
        return false;
    }
  return true;
}

Status Program::describe(const Entry &entry, EntryTexts &texts) {
  texts.arena = text(*entry.arena_size());
  texts.launches = slab.allocate<LaunchTexts>(entry.launches()->size());
  if (!texts.arena || !texts.launches || !describe(*entry.inputs(), texts.inputs) ||
      !describe(*entry.outputs(), texts.outputs))
    return outOfMemory();
  for (uint32_t i = 0; i < entry.launches()->size(); ++i) {
    const Launch &launch = *entry.launches()->Get(i);
    const auto *origins = kernel(launch.kernel()).origins();
    uint32_t count = origins ? origins->size() : 0;
    auto **names = slab.allocate<const char *>(count);
    if (!names)
      return outOfMemory();
    for (uint32_t j = 0; j < count; ++j)
      names[j] = origins->Get(j)->c_str();
    texts.launches[i] = {text(*variant(launch.kernel()).tiles()), launch.flops() ? text(*launch.flops()) : "", names};
    if (!texts.launches[i].tiles || !texts.launches[i].flops)
      return outOfMemory();
  }
  return {};
}

Status Program::withNodes(Status status, uint32_t kernelIndex) const {
  if (const auto *origins = kernel(kernelIndex).origins())
    for (const flatbuffers::String *origin : *origins)
      status = std::move(status).node(origin->c_str());
  return status;
}

} // namespace lathe::runtime
