#include "executors/docker/engine.hpp"

#include "executors/helper/http/response.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using helper::response_reader;
using helper::transfer_errc;
using std::chrono::steady_clock;

constexpr auto head_time = 120s;
constexpr auto write_time = 120s;
/// No script is that long: its end is decided elsewhere.
constexpr auto forever = 24h * 365;
constexpr size_t answer_bytes_max = 16u << 20;
constexpr size_t error_bytes_max = 64u << 10;
constexpr size_t error_text_max = 2'000;
constexpr size_t line_bytes_max = 1u << 20;
constexpr size_t piece_bytes = 64u << 10;
constexpr int version_major = 1;
constexpr int version_minor_min = 40;
constexpr int version_minor_max = 55;

struct api_version {
  int major = 0;
  int minor = 0;
};

/// Returns nothing sensible (0.0) for what is no version.
api_version parse_version(std::string_view text) {
  api_version x;
  const auto* end = text.data() + text.size();
  auto major = std::from_chars(text.data(), end, x.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.')
    return {};
  auto minor = std::from_chars(major.ptr + 1, end, x.minor);
  return minor.ec == std::errc{} && minor.ptr == end ? x : api_version{};
}

/// One line for people of whatever an Engine said.
std::string tidy(std::string text) {
  text.resize(std::min(text.size(), error_text_max));
  std::replace_if(
    text.begin(), text.end(),
    [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  while (!text.empty() && text.back() == ' ')
    text.pop_back();
  return text;
}

engine_errc code_of(int status) {
  switch (status) {
    case 400:
      return engine_errc::bad_request;
    case 404:
      return engine_errc::not_found;
    case 409:
      return engine_errc::conflict;
    case 502: // said by what leads to an Engine, not by one
      return engine_errc::unreachable;
    default:
      return engine_errc::refused;
  }
}

/// Writes a body by pieces. An Engine that hangs up has answered before, maybe:
/// that is not looked for.
engine_result<void> write_source(byte_stream& to, const call& what,
                                 deadline until) {
  std::string piece(piece_bytes, '\0');
  for (;;) {
    auto n = what.source(piece.data(), piece.size());
    if (n < 0)
      return fail(engine_errc::lost, "what is to be sent to the Docker Engine "
                                     "cannot be read");
    char size[32];
    auto end = std::to_chars(size, size + sizeof(size), n, 16).ptr;
    std::string chunk{size, end};
    chunk += "\r\n";
    chunk.append(piece, 0, static_cast<size_t>(n));
    chunk += "\r\n";
    auto sent = to.write(chunk, until);
    if (!sent || n == 0)
      return sent;
  }
}

} // namespace

/// A call whose answer's head has come.
struct engine::exchange {
  std::unique_ptr<byte_stream> stream;
  response_reader reader{response_reader::body::expected};
  helper::response_head head;

  /// What reads more for the parser; keeps the stream's own error.
  response_reader::filler filler(deadline until) {
    return
      [this, until](char* to, size_t size) -> result<size_t, transfer_errc> {
        auto n = stream->read(to, size, until);
        if (n)
          return *n;
        trouble = n.error();
        return fail(transfer_errc::no_answer, n.error().text);
      };
  }

  failure<engine_errc> explain(const failure<transfer_errc>& why) {
    if (trouble)
      return *std::exchange(trouble, std::nullopt);
    bool hung_up = why.text.find("hung up") != std::string::npos
                   || why.text.find("partial") != std::string::npos
                   || why.text.find("end of stream") != std::string::npos;
    return {hung_up ? engine_errc::lost : engine_errc::bad_answer,
            "the Docker Engine: " + why.text};
  }

  /// Reads a piece of the body; 0 is its end.
  engine_result<size_t> read(char* to, size_t size, deadline until) {
    auto n = reader.read_body(to, size, filler(until));
    if (!n)
      return tl::unexpected{explain(n.error())};
    return *n;
  }

  engine_result<std::string> read_all(size_t bytes_max, deadline until) {
    std::string text;
    char piece[piece_bytes];
    for (;;) {
      auto n = read(piece, sizeof(piece), until);
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        return text;
      if (text.size() + *n > bytes_max)
        return fail(engine_errc::bad_answer,
                    "the Docker Engine's answer has more than "
                      + std::to_string(bytes_max) + " bytes");
      text.append(piece, *n);
    }
  }

  engine_result<json> read_json(deadline until) {
    auto text = read_all(answer_bytes_max, until);
    if (!text)
      return tl::unexpected{text.error()};
    if (text->find_first_not_of(" \r\n\t") == std::string::npos)
      return json{};
    auto x = json::parse(*text, nullptr, false);
    if (x.is_discarded())
      return fail(engine_errc::bad_answer,
                  "the Docker Engine's answer is no JSON");
    return x;
  }

  /// What the Engine says about an error.
  failure<engine_errc> refusal() {
    auto text = read_all(error_bytes_max, steady_clock::now() + 10s);
    std::string words = text.value_or("");
    auto x = json::parse(words, nullptr, false);
    if (x.is_object() && x.contains("message") && x["message"].is_string())
      words = x["message"].get<std::string>();
    words = tidy(std::move(words));
    if (words.empty())
      words = head.status_line();
    return {code_of(head.status), words};
  }

  std::optional<failure<engine_errc>> trouble;
};

deadline engine::after(std::chrono::seconds time) const {
  auto at = steady_clock::now() + time;
  return until_ ? std::min<deadline>(at, *until_) : at;
}

engine_result<engine::exchange> engine::begin(const call& what, bool upgrades,
                                              bool versioned) const {
  auto stream = dialer_->dial();
  if (!stream)
    return tl::unexpected{stream.error()};
  auto request = std::string{what.method} + " "
                 + (versioned ? "/v" + version_ : "") + what.path
                 + " HTTP/1.1\r\nHost: docker\r\nUser-Agent: muster\r\n";
  if (what.source)
    request += "Content-Type: application/x-tar\r\n"
               "Transfer-Encoding: chunked\r\n";
  else if (!what.body.empty())
    request += "Content-Type: application/json\r\n";
  if (!what.source
      && (std::string_view{what.method} != "GET" || !what.body.empty()))
    request += "Content-Length: " + std::to_string(what.body.size()) + "\r\n";
  if (!what.registry_auth.empty())
    request += "X-Registry-Auth: " + what.registry_auth + "\r\n";
  request += upgrades ? "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                      : "Connection: close\r\n\r\n";
  exchange x;
  x.stream = std::move(*stream);
  auto whole = after(what.time);
  auto sent = x.stream->write(request + what.body, after(write_time));
  if (sent && what.source)
    sent = write_source(*x.stream, what, whole);
  if (!sent)
    return tl::unexpected{sent.error()};
  auto until = what.source
                 ? whole
                 : after(std::min<std::chrono::seconds>(head_time, what.time));
  auto head = x.reader.read_head(x.filler(until));
  if (!head)
    return tl::unexpected{x.explain(head.error())};
  x.head = std::move(*head);
  // 304: it is as it is wanted to be, started or stopped.
  bool success = upgrades ? x.head.status == 101
                          : x.head.status / 100 == 2 || x.head.status == 304;
  if (success)
    return x;
  if (x.head.status / 100 == 2)
    return fail(engine_errc::bad_answer,
                "the Docker Engine does not change to a stream: "
                  + x.head.status_line());
  return tl::unexpected{x.refusal()};
}

engine_result<void> engine::negotiate() {
  if (!version_.empty())
    return {};
  auto x = begin({"GET", "/_ping"}, false, false);
  if (!x)
    return tl::unexpected{x.error()};
  auto said = x->head.header("Api-Version");
  auto offered = parse_version(said.value_or("1.55"));
  if (offered.major != version_major || offered.minor < version_minor_min)
    return fail(engine_errc::refused,
                "the Docker Engine speaks version `" + tidy(*said)
                  + "` of its API; muster needs 1.40 (Docker 19.03) or later");
  version_ = std::to_string(version_major) + "."
             + std::to_string(std::min(offered.minor, version_minor_max));
  return {};
}

bool engine::speaks(int major, int minor) const {
  auto own = parse_version(version_);
  return own.major > major || (own.major == major && own.minor >= minor);
}

engine_result<json> engine::ask(const call& what) const {
  return ask_slowly(what, [] {});
}

engine_result<json>
engine::ask_slowly(const call& what, const std::function<void()>& begun) const {
  auto until = after(what.time);
  auto x = begin(what, false, true);
  if (!x)
    return tl::unexpected{x.error()};
  begun();
  if (x->head.status == 204 || x->head.status == 304)
    return json{};
  return x->read_json(until);
}

engine_result<std::string> engine::ask_bytes(const call& what,
                                             size_t bytes_max) const {
  auto until = after(what.time);
  auto x = begin(what, false, true);
  if (!x)
    return tl::unexpected{x.error()};
  return x->read_all(bytes_max, until);
}

engine_result<void>
engine::ask_lines(const call& what,
                  const std::function<bool(std::string_view)>& line) const {
  auto x = begin(what, false, true);
  if (!x)
    return tl::unexpected{x.error()};
  std::string left;
  char piece[piece_bytes];
  for (;;) {
    auto n = x->read(piece, sizeof(piece), after(what.time));
    if (!n)
      return tl::unexpected{n.error()};
    left.append(piece, *n);
    size_t begin = 0;
    for (auto end = left.find('\n'); end != std::string::npos;
         end = left.find('\n', begin)) {
      if (!line(std::string_view{left}.substr(begin, end - begin)))
        return {};
      begin = end + 1;
    }
    left.erase(0, begin);
    if (left.size() > line_bytes_max)
      return fail(engine_errc::bad_answer,
                  "the Docker Engine's answer has a line without an end");
    if (*n == 0) {
      if (!left.empty())
        line(left);
      return {};
    }
  }
}

engine_result<attached> engine::attach(const call& what) const {
  auto x = begin(what, true, true);
  if (!x)
    return tl::unexpected{x.error()};
  return attached{std::move(x->stream), x->reader.rest()};
}

engine_result<void> engine::read_log(const call& what,
                                     const demultiplexer::sink& to) const {
  auto x = begin(what, false, true);
  if (!x)
    return tl::unexpected{x.error()};
  demultiplexer parts{to};
  char piece[piece_bytes];
  for (;;) {
    auto n = x->read(piece, sizeof(piece), after(what.time));
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      return {};
    if (!parts.feed({piece, *n}))
      return fail(engine_errc::bad_answer,
                  "the Docker Engine's log has no frames");
  }
}

void attached::write_all(std::string_view bytes) {
  if (stream_->write(bytes, steady_clock::now() + forever))
    stream_->end_writing();
}

engine_result<void> attached::read_all(const demultiplexer::sink& to) {
  demultiplexer parts{to};
  bool sound = parts.feed(std::exchange(first_, {}));
  char piece[piece_bytes];
  while (sound) {
    auto n = stream_->read(piece, sizeof(piece), steady_clock::now() + forever);
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0 && !parts.between_frames())
      return fail(engine_errc::lost,
                  "the output of the container was cut off by the Docker "
                  "Engine");
    if (*n == 0)
      return {};
    sound = parts.feed({piece, *n});
  }
  return fail(engine_errc::bad_answer,
              "the output of the container comes without frames");
}

std::string url_encoded(std::string_view text, std::string_view kept) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string result;
  for (unsigned char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'
        || c == '~' || kept.find(static_cast<char>(c)) != kept.npos) {
      result += static_cast<char>(c);
    } else {
      result += '%';
      result += digits[c >> 4];
      result += digits[c & 15];
    }
  }
  return result;
}

} // namespace muster::docker
