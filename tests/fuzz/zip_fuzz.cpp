#include "executors/helper/archive/gzip_reader.hpp"
#include "executors/helper/archive/tar_reader.hpp"
#include "executors/helper/archive/tree.hpp"
#include "executors/helper/archive/zip_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace muster::helper;

/// Reads a little of each entry: a file may claim to be of any size.
outcome take(const archive_entry& what, const byte_source& content) {
  constexpr size_t bytes_max = 1u << 20;
  auto parts = parts_of(what.path);
  if (parts)
    for (const auto& part : *parts)
      if (part == ".." || part == "." || part.find('/') != std::string::npos)
        std::abort();
  char piece[4096];
  for (size_t done = 0; done < bytes_max;) {
    auto n = content(piece, sizeof(piece));
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      break;
    if (*n > sizeof(piece))
      std::abort();
    done += *n;
  }
  return {};
}

} // namespace

/// Reads foreign bytes as a zip, a tar and gzip members.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static int file = ::memfd_create("archive", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0
      || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  if (auto zip = zip_reader::open(file); zip)
    (void)zip->each(take);
  auto all = [data, size] {
    std::string_view left{reinterpret_cast<const char*>(data), size};
    return [left](char* to, size_t room) mutable
           -> muster::result<size_t, muster::helper_errc> {
      auto n = left.copy(to, room);
      left.remove_prefix(n);
      return n;
    };
  };
  (void)read_tar(all(), take);
  (void)read_gzip(all(), take);
  return 0;
}
