#include "tests/support/s3_server.hpp"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::test {

namespace {

/// Reads until a whole line, the end, or the deadline.
std::string first_line(int fd) {
  constexpr std::chrono::seconds patience{120};
  auto until = std::chrono::steady_clock::now() + patience;
  std::string text;
  while (text.find('\n') == std::string::npos) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    pollfd polled{fd, POLLIN, 0};
    if (left.count() <= 0
        || poll(&polled, 1, static_cast<int>(left.count())) <= 0)
      break;
    char bytes[512];
    auto n = read(fd, bytes, sizeof(bytes));
    if (n <= 0)
      break;
    text.append(bytes, static_cast<size_t>(n));
  }
  return text;
}

} // namespace

s3_server::s3_server(const std::string& folder) {
  int in[2];
  int out[2];
  REQUIRE_EQ(pipe2(in, O_CLOEXEC), 0);
  REQUIRE_EQ(pipe2(out, O_CLOEXEC), 0);
  pid_ = fork();
  REQUIRE_GE(pid_, 0);
  if (pid_ == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl("/usr/bin/python3", "python3", MUSTER_S3_SERVER, folder.c_str(),
          access_key, secret_key, bucket, nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  in_ = in[1];
  auto line = first_line(out[0]);
  close(out[0]);
  CAPTURE(line);
  REQUIRE(line.starts_with("ready "));
  address_ = "127.0.0.1:" + line.substr(6, line.find('\n') - 6);
}

s3_server::~s3_server() {
  stop();
}

void s3_server::stop() {
  if (pid_ < 0)
    return;
  close(in_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

} // namespace muster::test
