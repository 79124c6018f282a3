/* The header in strict C99, the archive without a C++ library. */
#include "lathe/lathe.h"

int main(void) {
  const lathe_api *api = lathe_get_api(LATHE_API_VERSION);
  lathe_runtime *runtime;
  lathe_status *status = api->runtime_create(NULL, &runtime);
  lathe_code code = api->status_code(status);
  api->status_release(status);
  api->runtime_release(runtime);
  return code != LATHE_OK;
}
