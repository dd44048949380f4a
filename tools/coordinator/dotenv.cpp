#include "tools/coordinator/dotenv.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <zlib.h>

namespace muster::gitlab {

namespace {

constexpr size_t variables_max = 150; ///< as GitLab's largest limit
constexpr int gzip_only = 16 + MAX_WBITS;

std::string_view trimmed(std::string_view text) {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

tl::unexpected<failure<dotenv_errc>> bad(std::string text) {
  return fail(dotenv_errc::malformed, std::move(text));
}

} // namespace

result<std::string, dotenv_errc> gunzip(std::string_view bytes,
                                        size_t size_max) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_only) != Z_OK)
    return bad("no memory");
  stream.next_in
    = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); // not written
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK && out.size() <= size_max) {
    char piece[4096];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(piece, sizeof piece - stream.avail_out);
    if (state == Z_STREAM_END && stream.avail_in > 0)
      state = inflateReset(&stream); // the next member
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END)
    return bad(out.size() > size_max ? "too large" : "no gzip, or half of it");
  return out;
}

result<nlohmann::json, dotenv_errc> read_dotenv(std::string_view text) {
  auto out = nlohmann::json::array();
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#')
      continue;
    auto equals = line.find('=');
    auto key = trimmed(line.substr(0, equals));
    bool fits = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    });
    if (equals == std::string_view::npos || !fits)
      return bad("Invalid Format");
    if (out.size() >= variables_max)
      return bad(fmt::format("Dotenv files cannot have more than {} variables",
                             variables_max));
    out.push_back({{"key", key},
                   {"value", trimmed(line.substr(equals + 1))},
                   {"public", false},
                   {"masked", false}});
  }
  return out;
}

} // namespace muster::gitlab
