#include "executors/helper/commands/transfer.hpp"

#include "executors/helper/archive/entry.hpp"
#include "executors/helper/archive/extract.hpp"
#include "executors/helper/commands/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <vector>

namespace muster::helper {

namespace {

void warn_of_git_in(std::string_view doing) {
  log::warning("Part of .git directory is on the list of files to "
               + std::string{doing});
  log::warning("This may introduce unexpected problems");
}

} // namespace

result<void, transfer_errc> save_body(http_answer& from, int file,
                                      const std::string& what,
                                      transfer_meter meter) {
  if (::ftruncate(file, 0) != 0 || ::lseek(file, 0, SEEK_SET) != 0)
    return fail(transfer_errc::hopeless,
                "write " + what + ": " + std::strerror(errno));
  file_sink to{file, what};
  std::vector<char> buffer(piece_bytes);
  for (;;) {
    auto n = from.read(buffer.data(), buffer.size());
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      return {};
    meter.add(*n);
    if (auto written = to.write({buffer.data(), *n}); !written)
      return fail(transfer_errc::hopeless, written.error().text);
  }
}

int extract_here(int file, std::string_view what) {
  auto done = extract(file, ".");
  if (!done)
    return log::fatal("extracting " + std::string{what}
                      + " failed: " + done.error().text);
  if (done->has_git)
    warn_of_git_in("extract");
  if (done->skipped > 0)
    log::warning(std::to_string(done->skipped)
                 + " devices, pipes or sockets were not extracted");
  return 0;
}

void warn_of_git(const std::set<std::string>& paths) {
  if (std::any_of(paths.begin(), paths.end(),
                  [](const std::string& path) { return is_of_git(path); }))
    warn_of_git_in("archive");
}

} // namespace muster::helper
