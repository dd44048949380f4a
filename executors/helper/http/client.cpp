#include "executors/helper/http/client.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace muster::helper {

namespace {

using std::chrono::steady_clock;

constexpr int redirections_max = 10;
constexpr size_t explanation_bytes_max = 16u << 10;
constexpr size_t line_bytes_max = 200;

/// An answer of a server that hung up on a body is awaited for this long.
constexpr auto rest_patience = std::chrono::seconds{5};

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

deadline after(std::chrono::nanoseconds what) {
  return steady_clock::now()
         + std::min<std::chrono::nanoseconds>(what,
                                              std::chrono::hours{24 * 365});
}

/// Sends a body in chunks, or as it is when its length was promised.
class body_sink : public byte_sink {
public:
  body_sink(connection_to& to, bool chunked, deadline until)
    : to_(to),
      chunked_(chunked),
      until_(until) {
    buffer_.reserve(piece_bytes);
  }

  outcome write(std::string_view bytes) override {
    while (!bytes.empty()) {
      auto n = std::min(bytes.size(), piece_bytes - buffer_.size());
      buffer_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (buffer_.size() == piece_bytes)
        if (auto sent = flush(); !sent)
          return sent;
    }
    return {};
  }

  outcome finish() {
    if (auto sent = flush(); !sent)
      return sent;
    return chunked_ ? put("0\r\n\r\n") : outcome{};
  }

  /// Whether the server has answered already.
  bool answered() const {
    return answered_;
  }

  /// Why the connection failed, if it did.
  const std::optional<failure<transfer_errc>>& trouble() const {
    return trouble_;
  }

private:
  outcome flush() {
    if (buffer_.empty())
      return {};
    std::string text;
    if (chunked_) {
      std::array<char, 16> digits{};
      auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                               buffer_.size(), 16)
                   .ptr;
      text.assign(digits.data(), end);
      text += "\r\n";
      buffer_ += "\r\n";
    }
    // One write, so that the few bytes of the size make no packet.
    buffer_.insert(0, text);
    auto sent = put(buffer_);
    buffer_.clear();
    return sent;
  }

  outcome put(std::string_view bytes) {
    answered_ = to_.has_input();
    if (answered_)
      return fail(helper_errc::failed, "the server does not want more");
    auto sent = to_.write(bytes, until_);
    if (sent)
      return {};
    trouble_ = sent.error();
    return fail(helper_errc::failed, sent.error().text);
  }

  connection_to& to_;
  bool chunked_;
  deadline until_;
  std::string buffer_;
  bool answered_ = false;
  std::optional<failure<transfer_errc>> trouble_;
};

std::string head_of(const http_request& what, const connection_to& over) {
  auto text = what.method + " ";
  if (over.through_proxy())
    text += (what.to.tls ? "https://" : "http://") + authority(what.to);
  text += what.to.target + " HTTP/1.1\r\nHost: " + authority(what.to)
          + "\r\nConnection: close\r\n";
  if (!over.proxy_authorization().empty())
    text += "Proxy-Authorization: " + over.proxy_authorization() + "\r\n";
  if (!what.to.user.empty())
    text += "Authorization: Basic "
            + base64_of(what.to.user + ":" + what.to.password) + "\r\n";
  for (const auto* list : {&what.headers, &what.secret_headers})
    for (const auto& [name, value] : *list)
      text.append(name).append(": ").append(value).append("\r\n");
  if (what.body_bytes)
    text += "Content-Length: " + std::to_string(*what.body_bytes) + "\r\n";
  else if (what.body)
    text += "Transfer-Encoding: chunked\r\n";
  return text + "\r\n";
}

bool is_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) {
    return c == '\r' || c == '\n' || c == '\0';
  });
}

bool may_follow(const http_request& what, int status) {
  if (status == 307 || status == 308)
    return true;
  return !what.body && (status == 301 || status == 302 || status == 303);
}

std::string element(std::string_view xml, std::string_view name) {
  auto open = "<" + std::string{name} + ">";
  auto begin = xml.find(open);
  if (begin == std::string_view::npos)
    return "";
  begin += open.size();
  auto end = xml.find("</" + std::string{name} + ">", begin);
  return std::string{
    xml.substr(begin, end == std::string_view::npos ? 0 : end - begin)};
}

/// The text of `"message": "..."`.
std::string message_in(std::string_view json) {
  auto at = json.find("\"message\"");
  if (at == std::string_view::npos)
    return "";
  at = json.find_first_not_of(" :\t", at + 9);
  if (at == std::string_view::npos || json[at] != '"')
    return "";
  auto end = json.find('"', at + 1);
  return std::string{
    json.substr(at + 1, end == std::string_view::npos ? 0 : end - at - 1)};
}

} // namespace

std::string explanation_in(std::string_view body) {
  auto code = element(body, "Code");
  auto text = body.find("<Error") != std::string_view::npos
                ? code + (code.empty() ? "" : ": ") + element(body, "Message")
                : message_in(body);
  std::replace_if(
    text.begin(), text.end(), [](unsigned char c) { return c < 32; }, ' ');
  if (text.size() > line_bytes_max)
    text = text.substr(0, line_bytes_max) + "...";
  return text;
}

http_answer::http_answer(connection_to from, response_reader reader,
                         response_head what, url of, deadline until,
                         std::chrono::nanoseconds silence)
  : connection_(std::move(from)),
    reader_(std::move(reader)),
    head_(std::move(what)),
    url_(std::move(of)),
    until_(until),
    silence_(silence) {
}

result<size_t, transfer_errc> http_answer::read(char* to, size_t size) {
  return reader_.read_body(to, size, [this](char* at, size_t room) {
    return connection_.read(at, room, std::min(until_, after(silence_)));
  });
}

std::string http_answer::explanation() {
  std::string body(explanation_bytes_max, '\0');
  size_t done = 0;
  while (done < body.size()) {
    auto n = read(body.data() + done, body.size() - done);
    if (!n || *n == 0)
      break;
    done += *n;
  }
  body.resize(done);
  return explanation_in(body);
}

http_client::http_client(tls_settings tls, http_timeouts timeouts)
  : tls_settings_(std::move(tls)),
    timeouts_(timeouts) {
}

result<http_answer, transfer_errc> http_client::send(const http_request& what) {
  auto until = after(timeouts_.total);
  auto next = what;
  for (int i = 0; i <= redirections_max; ++i) {
    auto answer = send_once(next, until);
    if (!answer)
      return answer;
    auto location = answer->head().header("Location");
    if (!location || !may_follow(next, answer->head().status))
      return answer;
    auto to = resolved(next.to, *location);
    if (!to)
      return fail(transfer_errc::no_answer,
                  shown(next.to) + " redirects to what is no URL");
    // GitLab may name another host of its own for an upload, and that alone.
    if (next.body && to->target == "/")
      to->target = next.to.target;
    auto downgrade = next.to.tls && !to->tls;
    if (downgrade || (!next.body && !same_origin(next.to, *to)))
      next.secret_headers.clear();
    next.to = std::move(*to);
  }
  return fail(transfer_errc::no_answer,
              shown(what.to) + " redirects without end");
}

result<http_answer, transfer_errc>
http_client::send_once(const http_request& what, deadline until) {
  for (const auto* list : {&what.headers, &what.secret_headers})
    for (const auto& [name, value] : *list)
      if (!is_line(name) || !is_line(value))
        return fail(transfer_errc::hopeless,
                    "the header `" + name + "` is more than one line");
  if (what.to.tls && !tls_) {
    auto made = tls_context::make(tls_settings_);
    if (!made)
      return tl::unexpected{made.error()};
    tls_ = std::move(*made);
  }
  dial_options options;
  options.variable = variable;
  auto connection
    = connection_to::dial(what.to, tls_ ? &*tls_ : nullptr, options, until);
  if (!connection)
    return tl::unexpected{connection.error()};
  if (auto sent = connection->write(head_of(what, *connection), until); !sent)
    return tl::unexpected{sent.error()};
  auto header_until = std::min(until, after(timeouts_.response_header));
  if (what.body) {
    body_sink sink{*connection, !what.body_bytes, until};
    auto written = what.body(sink);
    if (written)
      written = sink.finish();
    if (!written && !sink.answered() && !sink.trouble())
      return fail(transfer_errc::hopeless, written.error().text);
    header_until = std::min(until, after(timeouts_.response_header));
    if (sink.trouble())
      header_until = std::min(header_until, after(rest_patience));
  }
  response_reader reader{what.method == "HEAD"
                           ? response_reader::body::none
                           : response_reader::body::expected};
  auto head = reader.read_head([&connection, header_until](char* at, size_t n) {
    return connection->read(at, n, header_until);
  });
  if (!head)
    return tl::unexpected{head.error()};
  return http_answer{
    std::move(*connection), std::move(reader), std::move(*head), what.to, until,
    timeouts_.silence};
}

} // namespace muster::helper
