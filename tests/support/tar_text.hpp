#pragma once

#include "executors/helper/archive/compression.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace muster::test {

/// An entry of a tar as it is wanted, sensible or not.
struct tar_entry {
  std::string path;
  std::string content;
  unsigned mode = 0755;
  char type = '0'; ///< 0 a file, 1 and 2 links, 3 a device, 5 a folder
  std::string target = {};
};

/// A tar with these entries.
inline std::string tar_of(const std::vector<tar_entry>& entries) {
  std::string out;
  for (const auto& x : entries) {
    std::string head(512, '\0');
    auto put = [&head](size_t at, const std::string& text) {
      head.replace(at, text.size(), text);
    };
    auto octal = [](uint64_t value, int digits) {
      char text[24];
      std::snprintf(text, sizeof(text), "%0*llo", digits,
                    static_cast<unsigned long long>(value));
      return std::string{text};
    };
    put(0, x.path);
    put(100, octal(x.mode, 7));
    put(108, octal(0, 7));
    put(116, octal(0, 7));
    put(124, octal(x.content.size(), 11));
    put(136, octal(0, 11));
    put(148, "        ");
    put(156, std::string(1, x.type));
    put(157, x.target);
    put(257, std::string{"ustar\0"
                         "00",
                         8});
    unsigned sum = 0;
    for (unsigned char c : head)
      sum += c;
    put(148, octal(sum, 6) + std::string{"\0 ", 2});
    out += head + x.content;
    out.append((512 - x.content.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

/// Text that is written.
struct text_sink : helper::byte_sink {
  std::string text;

  helper::outcome write(std::string_view bytes) override {
    text += bytes;
    return {};
  }
};

inline std::string gzip_of(const std::string& bytes) {
  text_sink out;
  size_t at = 0;
  auto read = [&](char* to, size_t size) -> result<size_t, helper_errc> {
    auto n = bytes.copy(to, size, at);
    at += n;
    return n;
  };
  (void)helper::write_gzip_member({}, helper::compression_level::fast, read,
                                  out);
  return out.text;
}

inline std::string zstd_of(const std::string& bytes) {
  text_sink out;
  auto by = helper::make_zstd_compressor(helper::compression_level::fast);
  (void)(*by)->write(bytes, out);
  (void)(*by)->finish(out);
  return out.text;
}

} // namespace muster::test
