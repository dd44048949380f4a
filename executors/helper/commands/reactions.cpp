#include "executors/helper/commands/reactions.hpp"

#include <algorithm>

namespace muster::helper {

upload_verdict verdict_of_upload(std::optional<int> status) {
  switch (status.value_or(0)) {
    case 201:
      return upload_verdict::done;
    case 403:
      return upload_verdict::forbidden;
    case 413:
      return upload_verdict::too_large;
    case 503:
      return upload_verdict::unavailable;
    default:
      return upload_verdict::failed;
  }
}

int upload_tries_max(upload_verdict last) {
  switch (last) {
    case upload_verdict::unavailable:
      return 6;
    case upload_verdict::failed:
      return 3;
    default:
      return 1;
  }
}

std::chrono::seconds upload_pause(int tries) {
  constexpr int seconds_max = 5;
  return std::chrono::seconds{
    std::min(1 << std::clamp(tries - 1, 0, 3), seconds_max)};
}

download_verdict verdict_of_download(std::optional<int> status) {
  switch (status.value_or(0)) {
    case 200:
      return download_verdict::done;
    case 401:
      return download_verdict::unauthorized;
    case 403:
      return download_verdict::forbidden;
    case 404:
      return download_verdict::not_found;
    default:
      return download_verdict::failed;
  }
}

cache_verdict verdict_of_cache(std::optional<int> status) {
  auto code = status.value_or(0);
  if (code == 0 || code / 100 == 5)
    return cache_verdict::again;
  if (code / 100 == 2)
    return cache_verdict::done;
  return code == 404 ? cache_verdict::missing : cache_verdict::failed;
}

} // namespace muster::helper
