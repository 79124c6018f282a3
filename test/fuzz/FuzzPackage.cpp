// Whole packages, with the table's hash made right so that what lies behind it is reached: header, records, gaps,
// table. What is accepted must keep the verifier's promises: every formula evaluates at the profile's ends, or says
// that it can't.
#include "TestPackage.h"
#include "VerifiedProgram.h"
#include "runtime/Package/Verify.h"

using namespace lathe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  test::Bytes bytes(data, data + size);
  if (size >= sizeof(package::Header))
    test::rehash(bytes);
  runtime::Allocator allocator;
  runtime::Image image;
  if (runtime::readImage(allocator, bytes.data(), bytes.size(), false, image))
    return 0;
  if (!runtime::verifyProgram(allocator, image))
    fuzz::checkVerified(image);
  return 0;
}
