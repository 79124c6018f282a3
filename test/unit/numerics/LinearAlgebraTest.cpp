#include "compiler/Numerics/LinearAlgebra.h"
#include <gtest/gtest.h>
