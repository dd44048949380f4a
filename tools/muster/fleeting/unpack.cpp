#include "tools/muster/fleeting/unpack.hpp"

#include "config/diagnostic.hpp"
#include "executors/helper/archive/compression.hpp"
#include "executors/helper/archive/tar_reader.hpp"
#include "executors/helper/unique_fd.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace muster::fleeting {

namespace {

using helper::archive_entry;
using helper::byte_source;
using helper::entry_kind;
using helper::outcome;
using helper::unique_fd;

constexpr std::string_view zstd_magic{"\x28\xb5\x2f\xfd", 4};
constexpr std::string_view gzip_magic{"\x1f\x8b", 2};
constexpr std::string_view program = "plugin";

/// What a layer's own archive may hold besides, with headers and padding.
constexpr uint64_t rest_bytes_max = 64u << 20;

tl::unexpected<failure<helper_errc>> refused(const std::string& path,
                                             const std::string& why) {
  return fail(helper_errc::failed,
              fmt::format("{} in its archive {}", in_quotes(path), why));
}

byte_source all_of(int file) {
  return [file](char* to, size_t size) -> result<size_t, helper_errc> {
    for (;;) {
      auto n = ::read(file, to, size);
      if (n >= 0)
        return static_cast<size_t>(n);
      if (errno != EINTR)
        return fail(helper_errc::failed,
                    std::string{"it cannot be read: "} + std::strerror(errno));
    }
  };
}

/// Ends with an error after so many bytes: little may become a lot.
byte_source at_most(uint64_t bytes, byte_source from) {
  return [left = bytes, from = std::move(from)](
           char* to, size_t size) mutable -> result<size_t, helper_errc> {
    auto n = from(to, size);
    if (n && *n > left)
      return fail(helper_errc::failed, "its archive is too large");
    if (n)
      left -= *n;
    return n;
  };
}

result<byte_source, helper_errc> unpacked(int file) {
  char magic[4] = {};
  auto n = ::pread(file, magic, sizeof(magic), 0);
  std::string_view begin{magic, n > 0 ? static_cast<size_t>(n) : 0};
  ::lseek(file, 0, SEEK_SET);
  if (begin != zstd_magic && !begin.starts_with(gzip_magic))
    return all_of(file);
  auto by = begin == zstd_magic ? helper::make_zstd_decompressor()
                                : helper::make_gunzip();
  if (!by)
    return tl::unexpected{by.error()};
  return helper::decompressed(all_of(file), std::move(*by), true);
}

/// The parts of a path without `.`; nothing for one that leads elsewhere.
std::optional<std::vector<std::string>> parts_of(std::string_view path) {
  std::vector<std::string> out;
  if (path.starts_with('/') || path.find('\0') != std::string_view::npos)
    return std::nullopt;
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size()
                                                       : slash + 1);
    if (part == "..")
      return std::nullopt;
    if (!part.empty() && part != ".")
      out.emplace_back(part);
  }
  return out;
}

class unpacker {
public:
  unpacker(const std::string& folder, const unpack_limits& limits)
    : folder_(folder),
      limits_(limits) {
  }

  outcome take(const archive_entry& what, const byte_source& content) {
    auto parts = parts_of(what.path);
    if (!parts)
      return refused(what.path, "leads out of its folder");
    if (what.kind != entry_kind::file && what.kind != entry_kind::folder)
      return refused(what.path, "is neither a file nor a folder");
    if (!parts->empty() && parts->front() == "Files")
      parts->erase(parts->begin());
    if (parts->empty() || parts->front() != program)
      return {};
    if (what.kind == entry_kind::folder)
      return parts->size() == 1 ? outcome{}
                                : refused(what.path, "is a further folder");
    if (parts->size() == 1)
      return refused(what.path, "is a file instead of a folder");
    if (parts->size() > 2)
      return refused(what.path, "is in a further folder");
    if (++files_ > limits_.files)
      return fail(helper_errc::failed, "its archive has too many files");
    return put(parts->back(), what, content);
  }

  bool has_program() const {
    return has_program_;
  }

private:
  outcome put(const std::string& name, const archive_entry& what,
              const byte_source& content) {
    auto path = folder_ + "/" + name;
    unique_fd file{::open(path.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          0600)};
    if (!file && errno == EEXIST)
      return refused(what.path, "is there twice");
    if (!file)
      return unwritable(path);
    std::vector<char> piece(helper::piece_bytes);
    for (;;) {
      auto n = content(piece.data(), piece.size());
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        break;
      for (size_t done = 0; done < *n;) {
        auto m = ::write(file.get(), piece.data() + done, *n - done);
        if (m == 0 || (m < 0 && errno != EINTR))
          return unwritable(path);
        done += m > 0 ? static_cast<size_t>(m) : 0;
      }
    }
    auto is_program = name == program;
    auto mode = (what.mode & 0755u) | (is_program ? 0755u : 0644u);
    if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0)
      return unwritable(path);
    has_program_ = has_program_ || (is_program && what.size_bytes > 0);
    return {};
  }

  static tl::unexpected<failure<helper_errc>>
  unwritable(const std::string& path) {
    return fail(helper_errc::failed, fmt::format("{} cannot be written: {}",
                                                 path, std::strerror(errno)));
  }

  const std::string& folder_;
  const unpack_limits& limits_;
  size_t files_ = 0;
  bool has_program_ = false;
};

} // namespace

result<void, provider_errc> unpack_plugin(int file, const std::string& folder,
                                          const unpack_limits& limits) {
  auto bad = [](const std::string& why) {
    return fail(provider_errc::not_available, why);
  };
  auto from = unpacked(file);
  if (!from)
    return bad(from.error().text);
  unpacker to{folder, limits};
  auto done = helper::read_tar(
    at_most(limits.bytes + rest_bytes_max, std::move(*from)),
    [&to](const archive_entry& what, const byte_source& content) {
      return to.take(what, content);
    });
  if (!done)
    return bad(done.error().text);
  if (!to.has_program())
    return bad("its archive has no program plugin/plugin");
  return {};
}

} // namespace muster::fleeting
