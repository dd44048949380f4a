#include "executors/helper/archive/extract.hpp"

#include "executors/helper/archive/compression.hpp"
#include "executors/helper/archive/gzip_reader.hpp"
#include "executors/helper/archive/tar_reader.hpp"
#include "executors/helper/archive/tree.hpp"
#include "executors/helper/archive/zip_reader.hpp"

#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

constexpr std::string_view zstd_magic{"\x28\xb5\x2f\xfd", 4};
constexpr std::string_view gzip_magic{"\x1f\x8b", 2};

byte_source all_of(int file) {
  return [file](char* to, size_t size) -> result<size_t, helper_errc> {
    for (;;) {
      auto n = ::read(file, to, size);
      if (n >= 0)
        return static_cast<size_t>(n);
      if (errno != EINTR)
        return fail(helper_errc::failed,
                    std::string{"the archive cannot be read: "}
                      + std::strerror(errno));
    }
  };
}

outcome put(tree& to, const archive_entry& what, const byte_source& content) {
  switch (what.kind) {
    case entry_kind::file:
      return to.put_file(what, content);
    case entry_kind::folder:
      return to.put_folder(what);
    case entry_kind::link:
      return to.put_link(what);
    case entry_kind::hard_link:
      return to.put_hard_link(what);
    case entry_kind::other:
      break;
  }
  return {};
}

} // namespace

result<extracted, helper_errc> extract(int file, const std::string& folder) {
  auto to = tree::open(folder);
  if (!to)
    return tl::unexpected{to.error()};
  extracted facts;
  auto take = [&](const archive_entry& what, const byte_source& content) {
    ++facts.entries;
    facts.skipped += what.kind == entry_kind::other;
    facts.has_git = facts.has_git || is_of_git(what.path);
    return put(*to, what, content);
  };
  char magic[4] = {};
  auto n = ::pread(file, magic, sizeof(magic), 0);
  std::string_view begin{magic, n > 0 ? static_cast<size_t>(n) : 0};
  ::lseek(file, 0, SEEK_SET);
  outcome done;
  if (begin == zstd_magic) {
    auto by = make_zstd_decompressor();
    done = by ? read_tar(decompressed(all_of(file), std::move(*by), true), take)
              : outcome{tl::unexpected{by.error()}};
  } else if (begin.starts_with(gzip_magic)) {
    done = read_gzip(all_of(file), take);
  } else if (auto zip = zip_reader::open(file); zip) {
    done = zip->each(take);
  } else {
    done = tl::unexpected{zip.error()};
  }
  auto finished = to->finish();
  if (!done)
    return tl::unexpected{done.error()};
  if (!finished)
    return tl::unexpected{finished.error()};
  return facts;
}

} // namespace muster::helper
