#pragma once

#include <chrono>
#include <cstddef>
#include <httplib.h>
#include <string>
#include <vector>

struct ssl_st; // of OpenSSL

namespace muster::gitlab {

/// A socket as httplib reads and writes it, with what the library's own lacks:
/// it can be stopped from outside, sends an answer in one piece, and can break
/// off in the middle of one. With TLS or without.
class http_stream : public httplib::Stream {
public:
  /// `stop_fd` becomes readable when everything is to end. `tls` is a session
  /// on that socket, or none. Owns none of them.
  http_stream(int socket, int stop_fd, ssl_st* tls = nullptr);

  /// Does the server's part of the TLS handshake. False if it failed, or took
  /// too long.
  bool shake_hands(std::chrono::milliseconds timeout);

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override;

  /// Waits for a byte to read. False at the time-out, the end, or the stop.
  bool wait_readable(std::chrono::milliseconds timeout);
  /// Whether the peer has not hung up, and the server goes on.
  bool connected() const;
  /// Sends what was written.
  bool flush();

  /// From now on nothing is sent any more.
  void discard_output();
  /// Nothing more will be sent; takes what the client still sends, so that it
  /// gets to read the answer before the connection is reset.
  void linger(std::chrono::milliseconds timeout);
  /// Holds the whole answer back, and leaves out its last `bytes`.
  void cut_tail(size_t bytes);
  /// Whether the connection can serve another request.
  bool usable() const;

private:
  bool wait_for(short events, std::chrono::milliseconds timeout) const;
  bool send_all(const char* from, size_t size);
  /// As recv and send without waiting; `again` says what to wait for.
  ssize_t receive(char* to, size_t size, short& again);
  ssize_t transmit(const char* from, size_t size, short& again);

  int socket_;
  int stop_fd_;
  ssl_st* tls_;
  std::vector<char> input_;
  size_t input_at_ = 0;
  size_t input_end_ = 0;
  std::string output_;
  size_t cut_ = 0;
  bool discard_ = false;
  bool broken_ = false;
};

} // namespace muster::gitlab
