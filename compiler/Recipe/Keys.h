// What each method of a recipe can be told.
#pragma once
#include "compiler/Recipe/Recipe.h"

namespace lathe::recipe {

enum class KeyType { Choice, Integer, Number, Flag, Pattern };

struct Key {
  llvm::StringLiteral name;
  KeyType type;
  llvm::StringLiteral choices = ""; // of a Choice, with commas between
  double min = 0, max = 0;          // of an Integer or a Number, both ends included
};

/// The keys of a method, besides targets, ignore and layers. They are named as the options of the method's passes.
llvm::ArrayRef<Key> getKeys(Method method);

/// Why a rule's keys, each valid by itself, make no sense together; empty where they do.
std::string checkKeys(Method method, const Rule &rule);

} // namespace lathe::recipe
