#include "executors/helper/archive/writer.hpp"

#include "executors/helper/archive/tar_writer.hpp"
#include "executors/helper/archive/zip_writer.hpp"

#include <vector>

namespace muster::helper {

namespace {

/// Files as gzip members, one after the other.
class gzip_writer : public archive_writer {
public:
  gzip_writer(compression_level level, byte_sink& to) : level_(level), to_(to) {
  }

  outcome add(const archive_entry& what, const byte_source& content) override {
    if (what.kind != entry_kind::file)
      return {};
    auto slash = what.path.rfind('/');
    auto base
      = slash == std::string::npos ? what.path : what.path.substr(slash + 1);
    return write_gzip_member({base, what.path, what.modified_s.value_or(0)},
                             level_, content, to_);
  }

  outcome finish() override {
    return {};
  }

private:
  compression_level level_;
  byte_sink& to_;
};

/// Files' bytes as they are.
class raw_writer : public archive_writer {
public:
  explicit raw_writer(byte_sink& to) : to_(to) {
  }

  outcome add(const archive_entry& what, const byte_source& content) override {
    if (what.kind != entry_kind::file)
      return {};
    std::vector<char> buffer(piece_bytes);
    for (;;) {
      auto n = content(buffer.data(), buffer.size());
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        return {};
      if (auto done = to_.write({buffer.data(), *n}); !done)
        return done;
    }
  }

  outcome finish() override {
    return {};
  }

private:
  byte_sink& to_;
};

} // namespace

std::optional<archive_format> format_of(std::string_view name) {
  if (name.empty() || name == "zip")
    return archive_format::zip;
  if (name == "zipzstd")
    return archive_format::zipzstd;
  if (name == "tarzstd")
    return archive_format::tarzstd;
  if (name == "gzip")
    return archive_format::gzip;
  if (name == "raw")
    return archive_format::raw;
  return std::nullopt;
}

std::string_view extension_of(archive_format format) {
  switch (format) {
    case archive_format::zip:
    case archive_format::zipzstd:
      return ".zip";
    case archive_format::tarzstd:
      return ".tar.zst";
    case archive_format::gzip:
      return ".gz";
    case archive_format::raw:
      break;
  }
  return "";
}

result<std::unique_ptr<archive_writer>, helper_errc>
make_archive_writer(archive_format format, compression_level level,
                    byte_sink& to) {
  using made = std::unique_ptr<archive_writer>;
  if (format == archive_format::gzip)
    return made{std::make_unique<gzip_writer>(level, to)};
  if (format == archive_format::raw)
    return made{std::make_unique<raw_writer>(to)};
  auto by = format == archive_format::zip ? make_deflater(level)
                                          : make_zstd_compressor(level);
  if (!by)
    return tl::unexpected{by.error()};
  if (format == archive_format::tarzstd)
    return made{std::make_unique<tar_writer>(std::move(*by), to)};
  auto method = format == archive_format::zipzstd ? zip::method::zstd
                : deflate_level(level) == 0       ? zip::method::stored
                                                  : zip::method::deflate;
  return made{std::make_unique<zip_writer>(method, std::move(*by), to)};
}

} // namespace muster::helper
