// What the importer learns about symbols, and decides by their ranges.
#include "compiler/Onnx/Symbols.h"
#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::onnxfile;

namespace {
class SymbolsTest : public testing::Test {
protected:
  void declareAll() {
    symbols.restart();
    EXPECT_TRUE(symbols.declare("ids_dim0", {1, 65536}, /*invented=*/true));
    EXPECT_TRUE(symbols.declare("batch", {1, 32}, false));
    EXPECT_TRUE(symbols.declare("sequence", {1, 512}, false));
  }
  void SetUp() override { declareAll(); }

  Symbols symbols;
  Dim invented = Dim::symbol("ids_dim0"), batch = Dim::symbol("batch"), sequence = Dim::symbol("sequence");
};

TEST_F(SymbolsTest, RangesDecideComparisons) {
  EXPECT_EQ(symbols.isEqual(sequence, -1), false);
  EXPECT_EQ(symbols.isLess(batch, 33), true);
  EXPECT_EQ(symbols.isLess(batch, 32), std::nullopt);
  EXPECT_EQ(symbols.min(sequence, 512), sequence);
  EXPECT_EQ(symbols.min(sequence, 100), Dim::min(sequence, 100));
  EXPECT_EQ(symbols.max(sequence, 1), sequence);
  EXPECT_EQ(symbols.max(0, sequence), sequence);
}

TEST_F(SymbolsTest, TheModelsNameStaysAndTheRangesIntersect) {
  EXPECT_EQ(symbols.unify(invented, batch), Symbols::Unified::NewFact);
  EXPECT_TRUE(symbols.hasNewFacts());
  declareAll();
  EXPECT_FALSE(symbols.hasNewFacts());
  EXPECT_EQ(symbols.get("ids_dim0"), batch);
  EXPECT_EQ(symbols.getNames(), llvm::ArrayRef<std::string>({"batch", "sequence"}));
  EXPECT_EQ(symbols.getRange("batch").max, 32);
}

TEST_F(SymbolsTest, FactorsThatBothSidesHaveCancel) {
  EXPECT_EQ(symbols.unify(invented * sequence * 4, batch * sequence * 4), Symbols::Unified::NewFact);
  declareAll();
  EXPECT_EQ(symbols.get("ids_dim0"), batch);
}

TEST_F(SymbolsTest, AConstantReplacesASymbol) {
  EXPECT_EQ(symbols.unify(sequence * 2, 64), Symbols::Unified::NewFact);
  declareAll();
  EXPECT_EQ(symbols.get("sequence"), Dim(32));
  EXPECT_EQ(symbols.unify(batch, 33), Symbols::Unified::Different);
}

TEST_F(SymbolsTest, AClampThatMustNotActNarrowsTheRange) {
  EXPECT_EQ(symbols.unify(Dim::min(sequence, 128), sequence), Symbols::Unified::NewFact);
  declareAll();
  EXPECT_EQ(symbols.getRange("sequence").max, 128);
  EXPECT_EQ(symbols.unify(symbols.min(sequence, 128), sequence), Symbols::Unified::Same);
}

TEST_F(SymbolsTest, WhatNoFactSaysIsCheckedAtRunTime) {
  EXPECT_EQ(symbols.unify(batch + sequence, batch * 3), Symbols::Unified::Check);
  EXPECT_FALSE(symbols.hasNewFacts());
}

TEST_F(SymbolsTest, ARangeOfOneValueIsAConstant) {
  EXPECT_TRUE(symbols.declare("past", {7, 7}, false));
  EXPECT_EQ(symbols.get("past"), Dim(7));
  EXPECT_FALSE(symbols.declare("batch", {40, 50}, false));
}
} // namespace
