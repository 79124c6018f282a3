// Binding, running, outputs, errors of shapes and values.
#include "Fixture.h"
#include <atomic>
#include <thread>
#include <xmmintrin.h>

using namespace lathe::test;

namespace {
class Run : public testing::Test {
protected:
  Aligned package{gatherPackage()};
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());

  Outcome bindWith(const lathe_tensor &ids, const lathe_tensor &mask) {
    EXPECT_OK(api().set_input(context.get(), 0, &ids));
    EXPECT_OK(api().set_input(context.get(), 1, &mask));
    return api().bind(context.get());
  }
};
} // namespace

TEST_F(Run, ComputesForAllShapesOfTheProfile) {
  for (int64_t batch = 0; batch <= 4; ++batch)
    for (int64_t sequence : {0, 1, 2, 3, 7, 16}) {
      GatherCase c(batch, sequence, batch);
      c.bind(context.get());
      EXPECT_OK(api().run(context.get()));
      c.expectOutput(context.get());
    }
}

TEST(RunOwnPackage, ParametersMayBeNegative) {
  Model model = gatherModel();
  model.entries[0].launches[1].params[2] = (symbol(0) - 3) * 2; // even, which is what the kernel looks at
  Aligned package(assemble(buildTable(model), gatherSegments()));
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  for (int64_t batch = 0; batch <= 4; ++batch) {
    GatherCase c(batch, 5);
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
    c.expectOutput(context.get());
  }
}

TEST_F(Run, ShapesAreKnownBeforeTheRun) {
  GatherCase c(2, 5);
  lathe_tensor ids = tensor(LATHE_I64, nullptr, {2, 5}), mask = tensor(LATHE_F32, nullptr, {2, 5}), y;
  EXPECT_FAILS(api().output(context.get(), 0, &y), LATHE_INVALID_ARGUMENT, "not bound");
  EXPECT_EQ(bindWith(ids, mask).code, LATHE_OK);
  EXPECT_OK(api().output(context.get(), 0, &y));
  EXPECT_EQ(y.data, nullptr);
  EXPECT_EQ(y.dims[0], 2);
  EXPECT_EQ(y.dims[1], 5);
  int64_t value;
  EXPECT_OK(api().symbol_value(context.get(), 1, &value));
  EXPECT_EQ(value, 5);
  EXPECT_FAILS(api().run(context.get()), LATHE_INVALID_ARGUMENT, "input 'ids' has no data");
}

TEST_F(Run, WritesToTheCallersBuffer) {
  GatherCase c(2, 5);
  std::vector<float> y(c.expected.size());
  c.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, y.data(), y.size() * sizeof(float) - 1));
  EXPECT_FAILS(api().run(context.get()), LATHE_CAPACITY, "output 'y' needs 160 bytes");
  EXPECT_OK(api().set_output(context.get(), 0, y.data(), y.size() * sizeof(float)));
  EXPECT_OK(api().run(context.get()));
  EXPECT_EQ(y, c.expected);
  c.expectOutput(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, nullptr, 0));
  EXPECT_OK(api().run(context.get()));
  lathe_tensor own;
  EXPECT_OK(api().output(context.get(), 0, &own));
  EXPECT_NE(own.data, y.data());
  c.expectOutput(context.get());
}

TEST_F(Run, RejectsWrongInputs) {
  int64_t ids[4] = {};
  lathe_tensor t = tensor(LATHE_I32, ids, {2, 2});
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_INVALID_ARGUMENT, "input 'ids': expected i64, got i32");
  t = tensor(LATHE_I64, ids, {4});
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_INVALID_ARGUMENT, "expected 2 dimensions, got 1");
  t = tensor(LATHE_I64, reinterpret_cast<char *>(ids) + 4, {1, 1});
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_INVALID_ARGUMENT, "not aligned");
  t = tensor(LATHE_I64, ids, {-1, 2});
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_SHAPE, "negative");
  t = tensor(LATHE_I64, ids, {int64_t(1) << 40, int64_t(1) << 40});
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_SHAPE, "too large");
  EXPECT_FAILS(api().set_input(context.get(), 2, &t), LATHE_INVALID_ARGUMENT, "input 2 does not exist");
  t.rank = 1000000;
  EXPECT_FAILS(api().set_input(context.get(), 0, &t), LATHE_INVALID_ARGUMENT, "expected 2 dimensions");
  EXPECT_FAILS(api().run(context.get()), LATHE_INVALID_ARGUMENT, "input 'ids' is missing");
  uint32_t index;
  EXPECT_FAILS(api().find_input(context.get(), "id", &index), LATHE_INVALID_ARGUMENT, "no input 'id', only: ids, mask");
  EXPECT_OK(api().find_input(context.get(), "mask", &index));
  EXPECT_EQ(index, 1u);
}

TEST_F(Run, ShapeErrorsNameInputsAndLimits) {
  lathe_tensor ids = tensor(LATHE_I64, nullptr, {2, 8}), mask = tensor(LATHE_F32, nullptr, {2, 7});
  Outcome disagree = bindWith(ids, mask);
  EXPECT_EQ(disagree.code, LATHE_SHAPE);
  EXPECT_TRUE(disagree.mentions("input 'mask': dimension 1 ('sequence') is 7, but input 'ids' has 8")) << disagree;
  ids = tensor(LATHE_I64, nullptr, {2, 17});
  Outcome range = bindWith(ids, mask);
  EXPECT_EQ(range.code, LATHE_SHAPE);
  EXPECT_TRUE(range.mentions("input 'ids': dimension 1 ('sequence') is 17, outside the profile's 0 to 16")) << range;
}

TEST_F(Run, IdBeyondTheTableIsNamed) {
  for (int64_t bad : {int64_t(10), int64_t(-11), INT64_MAX, INT64_MIN}) {
    GatherCase c(2, 5);
    c.ids[7] = bad;
    c.bind(context.get());
    Outcome outcome = api().run(context.get());
    EXPECT_EQ(outcome.code, LATHE_FAULT);
    EXPECT_TRUE(outcome.mentions(
        ("input 'ids': element [1, 2] is " + std::to_string(bad) + ", expected an index from -10 to 9").c_str()))
        << outcome;
    EXPECT_EQ(outcome.node, "embedding/Gather");
  }
  GatherCase good(2, 5); // the context is usable afterwards
  good.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  good.expectOutput(context.get());
}

TEST(RunThreads, TheLowestFaultIsReported) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime(4);
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  for (int i = 0; i < 200; ++i) {
    GatherCase c(4, 16);
    c.ids[static_cast<size_t>(13 + i % 50)] = 77;
    c.ids[63] = 99;
    c.ids[12] = 55;
    c.bind(context.get());
    EXPECT_FAILS(api().run(context.get()), LATHE_FAULT, "element [0, 12] is 55");
  }
}

TEST(RunThreads, SameBitsForAnyNumberOfThreads) {
  Aligned package(gatherPackage());
  for (uint32_t threads : {1, 2, 3, 8}) {
    Runtime runtime = makeRuntime(threads);
    Program program = makeProgram(runtime.get(), package);
    Context context = makeContext(program.get());
    for (int i = 0; i < 300; ++i) {
      GatherCase c(1 + i % 4, 1 + i % 16, i);
      c.bind(context.get());
      EXPECT_OK(api().run(context.get()));
      c.expectOutput(context.get());
    }
  }
}

TEST(RunThreads, TheHostsPoolIsUsed) {
  struct Pool {
    int jobs = 0;
    static void parallelFor(void *self, uint32_t workers, void (*body)(void *, uint32_t), void *argument) {
      ++static_cast<Pool *>(self)->jobs;
      std::vector<std::thread> threads;
      for (uint32_t i = 0; i < workers; ++i)
        threads.emplace_back([=] { body(argument, i); });
      for (std::thread &thread : threads)
        thread.join();
    }
  } pool;
  lathe_executor executor = {&pool, 3, Pool::parallelFor};
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.executor = &executor;
  lathe_runtime *raw;
  EXPECT_OK(api().runtime_create(&options, &raw));
  Runtime runtime(raw);
  Aligned package(gatherPackage());
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  GatherCase c(4, 16);
  c.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());
  EXPECT_EQ(pool.jobs, 2);
}

TEST(RunBatches, LargerBatchesRunInSlices) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  lathe_context_options options = contextOptions();
  options.max_batch = 11;
  for (lathe_reserve reserve : {LATHE_RESERVE_GROW, LATHE_RESERVE_FIXED}) {
    options.reserve = reserve;
    Context context = makeContext(program.get(), options);
    for (int64_t batch = 0; batch <= 11; ++batch) {
      GatherCase c(batch, 6);
      c.bind(context.get());
      EXPECT_OK(api().run(context.get()));
      c.expectOutput(context.get());
    }
    GatherCase bad(9, 6);
    bad.ids[8 * 6 + 3] = 42; // in the third slice
    bad.bind(context.get());
    EXPECT_FAILS(api().run(context.get()), LATHE_FAULT, "input 'ids': element [8, 3] is 42");
    GatherCase more(12, 6);
    more.bind(context.get());
    EXPECT_FAILS(api().run(context.get()), LATHE_SHAPE, "outside the profile's 0 to 11");
  }
}

TEST(RunBatches, SlicesStayInTheProfile) {
  Model model = gatherModel();
  model.symbols[0] = {"batch", 3, 4};
  Aligned package(assemble(buildTable(model), gatherSegments()));
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  lathe_context_options options = contextOptions();
  options.max_batch = 20;
  Context context = makeContext(program.get(), options);
  for (int64_t batch : {3, 4, 6, 7, 8, 9, 13, 20}) {
    GatherCase c(batch, 2);
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
    c.expectOutput(context.get());
  }
  GatherCase five(5, 2); // neither 4 + 1 nor 3 + 2
  five.bind(context.get());
  EXPECT_FAILS(api().run(context.get()), LATHE_SHAPE, "a batch of 5 can't be cut into slices of 3 to 4 rows");
}

TEST(RunBatches, EntriesWithDependentRowsRefuse) {
  Model model = gatherModel();
  model.entries[0].batchSymbol = -1;
  Aligned package(assemble(buildTable(model), gatherSegments()));
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  lathe_context_options options = contextOptions();
  options.max_batch = 8;
  lathe_context *context;
  EXPECT_FAILS(api().context_create(program.get(), &options, &context), LATHE_UNSUPPORTED, "micro-batches");
}

TEST_F(Run, FixedContextsKeepTheirMemory) {
  lathe_symbol_value capacity[] = {{"batch", 2}, {"sequence", 8}};
  lathe_context_options options = contextOptions();
  options.capacity = capacity;
  options.capacity_count = 2;
  lathe_context *raw;
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_INVALID_ARGUMENT, "LATHE_RESERVE_FIXED");
  options.reserve = LATHE_RESERVE_FIXED;
  Context fixed = makeContext(program.get(), options);
  lathe_monitor memory = {};
  memory.struct_size = sizeof memory;
  EXPECT_OK(api().monitor(fixed.get(), &memory));
  EXPECT_EQ(memory.arena, 256u);
  EXPECT_EQ(memory.outputs, 256u);
  GatherCase fits(2, 8), tooLarge(3, 2);
  fits.bind(fixed.get());
  EXPECT_OK(api().run(fixed.get()));
  fits.expectOutput(fixed.get());
  tooLarge.bind(fixed.get());
  EXPECT_FAILS(api().run(fixed.get()), LATHE_CAPACITY, "'batch' is 3, but this context was created for at most 2");
  capacity[1].value = 17;
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_SHAPE, "outside the profile's 0 to 16");
  capacity[1].name = "length";
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_INVALID_ARGUMENT, "no symbol 'length'");
}

TEST(RunRequirements, TheMessageSaysWhy) {
  Model model = gatherModel();
  model.entries[0].requirements = {{symbol(0) * 2, symbol(1), "node 'Concat_7' joins halves"}};
  Aligned package(assemble(buildTable(model), gatherSegments()));
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  GatherCase good(2, 4), bad(2, 5);
  good.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  bad.bind(context.get());
  EXPECT_FAILS(api().run(context.get()), LATHE_SHAPE, "node 'Concat_7' joins halves (batch*2 must equal sequence)");
}

TEST(RunRequirements, DimensionsThatAreFormulasAreChecked) {
  Model model = gatherModel();
  model.entries[0].inputs.push_back({"extra", lathe::package::ElementType::i8, {symbol(0), symbol(1) + 1}});
  Aligned package(assemble(buildTable(model), gatherSegments()));
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  GatherCase c(2, 4);
  c.bind(context.get());
  int8_t data[16] = {};
  lathe_tensor extra = tensor(LATHE_I8, data, {2, 4});
  EXPECT_OK(api().set_input(context.get(), 2, &extra));
  EXPECT_FAILS(api().run(context.get()), LATHE_SHAPE, "input 'extra': dimension 1 is 4, expected sequence + 1");
  extra = tensor(LATHE_I8, data, {2, 5});
  EXPECT_OK(api().set_input(context.get(), 2, &extra));
  EXPECT_OK(api().run(context.get()));
}

TEST(RunControl, FloatingPointModeIsSetAndRestored) {
  Aligned package(vectorPackage("float_control"));
  unsigned before = _mm_getcsr();
  for (uint32_t threads : {1, 4}) {
    Runtime runtime = makeRuntime(threads);
    Program program = makeProgram(runtime.get(), package);
    Context context = makeContext(program.get());
    std::vector<uint32_t> x(1000);
    lathe_tensor t = tensor(LATHE_U32, x.data(), {1000}), y;
    EXPECT_OK(api().set_input(context.get(), 0, &t));
    _mm_setcsr(0x9fc0 | 0x6000); // flush to zero, denormals are zero, round to zero
    unsigned odd = _mm_getcsr();
    EXPECT_OK(api().run(context.get()));
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    EXPECT_EQ(after, odd);
    EXPECT_OK(api().output(context.get(), 0, &y));
    for (int i = 0; i < 1000; ++i)
      ASSERT_EQ(static_cast<uint32_t *>(y.data)[i] & ~0x3fu, 0x1f80u); // but for sticky exception flags
  }
}

TEST(RunControl, CancelStopsARunFromAnotherThread) {
  Aligned package(vectorPackage("slow"));
  Runtime runtime = makeRuntime(2);
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  std::vector<uint32_t> x(4096);
  lathe_tensor t = tensor(LATHE_U32, x.data(), {4096});
  EXPECT_OK(api().set_input(context.get(), 0, &t));
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) { // until it is answered: the run may not have begun
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      api().cancel(context.get());
    }
  });
  Outcome outcome = api().run(context.get());
  done = true;
  other.join();
  EXPECT_EQ(outcome.code, LATHE_CANCELLED) << outcome;
  api().reset_cancel(context.get());
  t = tensor(LATHE_U32, x.data(), {3});
  EXPECT_OK(api().set_input(context.get(), 0, &t));
  EXPECT_OK(api().run(context.get()));
  api().cancel(context.get());
  EXPECT_FAILS(api().run(context.get()), LATHE_CANCELLED, "cancelled");
  EXPECT_OK(api().run(context.get()));
}
