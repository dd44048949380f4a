#include "executors/helper/http/response.hpp"

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <limits>

namespace muster::helper {

namespace {

namespace http = boost::beast::http;

constexpr uint32_t head_bytes_max = 64u << 10;
constexpr size_t fill_bytes = 64u << 10;
constexpr int switching_protocols = 101;
constexpr int informational_max = 16; ///< answers 1xx before the final one

tl::unexpected<failure<transfer_errc>>
bad_answer(const boost::system::error_code& error) {
  return fail(transfer_errc::no_answer,
              "the server's answer cannot be understood: " + error.message());
}

using parser = http::response_parser<http::buffer_body>;

} // namespace

std::optional<std::string> response_head::header(std::string_view name) const {
  auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };
  for (const auto& [key, value] : headers)
    if (std::equal(key.begin(), key.end(), name.begin(), name.end(), same))
      return value;
  return std::nullopt;
}

std::string response_head::status_line() const {
  auto text = reason;
  if (text.empty()) {
    auto known = http::obsolete_reason(static_cast<http::status>(status));
    text.assign(known.data(), known.size());
  }
  return std::to_string(status) + " " + text;
}

struct response_reader::parts {
  body what;
  boost::beast::flat_buffer buffer{head_bytes_max + fill_bytes};
  std::unique_ptr<parser> current{};

  void begin() {
    current = std::make_unique<parser>();
    current->header_limit(head_bytes_max);
    current->body_limit(std::numeric_limits<uint64_t>::max());
    current->skip(what == body::none);
  }

  /// Reads more; false at the end of the stream.
  result<bool, transfer_errc> fill(const filler& from) {
    auto room
      = buffer.prepare(std::min(fill_bytes, buffer.max_size() - buffer.size()));
    auto n = from(static_cast<char*>(room.data()), room.size());
    if (!n)
      return tl::unexpected{n.error()};
    buffer.commit(*n);
    return *n > 0;
  }

  /// Gives the parser what is there.
  boost::system::error_code feed() {
    boost::system::error_code error;
    auto used = current->put(buffer.data(), error);
    buffer.consume(used);
    return error;
  }
};

response_reader::response_reader(body what) : parts_(new parts{what}) {
}

response_reader::response_reader(response_reader&&) noexcept = default;
response_reader&
response_reader::operator=(response_reader&&) noexcept = default;
response_reader::~response_reader() = default;

result<response_head, transfer_errc>
response_reader::read_head(const filler& fill) {
  for (int i = 0; i < informational_max; ++i) {
    parts_->begin();
    auto& parser = *parts_->current;
    while (!parser.is_header_done()) {
      auto error = parts_->buffer.size() > 0
                     ? parts_->feed()
                     : boost::system::error_code{http::error::need_more};
      if (error && error != http::error::need_more)
        return bad_answer(error);
      if (parser.is_header_done())
        break;
      auto more = parts_->fill(fill);
      if (!more)
        return tl::unexpected{more.error()};
      if (!*more)
        return fail(transfer_errc::no_answer,
                    "the server hung up without an answer");
    }
    auto& message = parser.get();
    auto status = static_cast<int>(message.result_int());
    if (status / 100 == 1 && status != switching_protocols)
      continue;
    response_head head{status, std::string{message.reason()}, {}};
    for (const auto& field : message)
      head.headers.emplace_back(field.name_string(), field.value());
    return head;
  }
  return fail(transfer_errc::no_answer,
              "the server sends informational answers without end");
}

std::string response_reader::rest() const {
  auto data = parts_->buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

result<size_t, transfer_errc> response_reader::read_body(char* to, size_t size,
                                                         const filler& fill) {
  auto& parser = *parts_->current;
  auto& body = parser.get().body();
  body.data = to;
  body.size = size;
  while (!parser.is_done() && body.size == size) {
    auto error = parts_->buffer.size() > 0
                   ? parts_->feed()
                   : boost::system::error_code{http::error::need_more};
    if (error == http::error::need_buffer)
      break;
    if (error && error != http::error::need_more)
      return bad_answer(error);
    if (parser.is_done() || body.size < size || !error)
      continue;
    auto more = parts_->fill(fill);
    if (!more)
      return tl::unexpected{more.error()};
    if (!*more) {
      boost::system::error_code at_end;
      parser.put_eof(at_end);
      if (at_end)
        return bad_answer(at_end);
    }
  }
  return size - body.size;
}

} // namespace muster::helper
