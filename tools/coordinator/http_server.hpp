#pragma once

#include "messages/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::gitlab {

using header_list = std::vector<std::pair<std::string, std::string>>;

/// A part of a multipart body: what stands before its bytes.
struct http_part {
  std::string name;
  std::string file_name;
};

/// Gets a part when it begins, then its bytes in pieces. What returns false
/// ends the reading.
struct part_reader {
  std::function<bool(const http_part&)> begin;
  std::function<bool(std::string_view)> bytes;
};

/// A request with its whole body; a gzip body is unpacked already. A multipart
/// body is not read beforehand.
struct http_request {
  std::string method;
  std::string path; ///< decoded, without the query
  header_list query;
  header_list headers;
  std::string body;
  /// Reads a multipart body; unset for any other. Returns false if it breaks
  /// off, is none, or the reader did not want more. What is not read when the
  /// handler returns is thrown away, or see `http_response::early`.
  std::function<bool(const part_reader&)> read_parts;
  /// Whether the client is still connected.
  std::function<bool()> connected;
  /// Sleeps; returns early when the client leaves or the server stops.
  std::function<void(std::chrono::milliseconds)> pause;

  /// The first header of that name, in any letter case; empty if there is none.
  std::string_view header(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;
};

/// How the connection goes on after the answer.
enum class http_ending : uint8_t {
  normal,
  half,  ///< only the first half of the body is sent, then it is closed
  close, ///< closed without a byte
  reset, ///< reset without a byte
};

struct http_response {
  int status = 200;
  header_list headers;
  std::string content_type; ///< of `body`; empty without one
  std::string body;
  /// Instead of `body`: called until it returns an empty string; its pieces are
  /// sent chunked.
  std::function<std::string()> stream;
  /// Instead of `body`: so many bytes, which are asked for with an offset and a
  /// size. An empty string breaks the answer off.
  std::function<std::string(uint64_t, size_t)> content;
  uint64_t content_size = 0; ///< [bytes]
  /// Answers before a multipart body was read, and closes the connection.
  bool early = false;
  http_ending ending = http_ending::normal;
};

/// HTTPS, with these files in PEM; plain HTTP when all are empty.
struct tls_files {
  std::string certificate; ///< with the chain behind it
  std::string key;
  std::string client_ca; ///< clients must have a certificate of it
};

enum class http_errc : uint8_t {
  cannot_listen = 1, ///< the address is no address, or taken
  bad_tls,           ///< a certificate or key cannot be used
};

/// An HTTP/1.1 server with keep-alive and a thread for each connection, made
/// for long polls and for connections that are to break. Handlers run in those
/// threads and may throw: that is answered with 500.
class http_server {
public:
  using handler = std::function<void(http_request&, http_response&)>;

  explicit http_server(handler handle);
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Listens; port 0 takes a free one. Returns the port. Errors: both codes.
  result<int, http_errc> start(const std::string& host, int port,
                               const tls_files& tls = {});
  /// Ends all connections, idle ones and those in the middle of something, and
  /// returns when no handler runs any more. Handlers that wait must be woken by
  /// their owner.
  void stop();

  /// Connections that are open now.
  size_t connections() const;

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster::gitlab
