#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <httplib.h>
#include <string>

namespace muster {

/// An accepted socket as cpp-httplib wants it, with a deadline for all that is
/// read and one for all: a client that sends or takes a byte now and then does
/// not live longer than one that is silent. What is read is bounded, too: the
/// library keeps a request's head whatever its length.
class connection_stream final : public httplib::Stream {
public:
  using time_point = std::chrono::steady_clock::time_point;

  connection_stream(int socket, time_point read_by, time_point write_by);

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override;

private:
  const int socket_;
  const time_point read_by_;
  const time_point write_by_;
  std::array<char, 4096> buffer_{};
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t received_bytes_ = 0;
};

/// Waits until the socket is ready, or for the deadline.
bool wait_for_socket(int socket, short events,
                     connection_stream::time_point deadline);

} // namespace muster
