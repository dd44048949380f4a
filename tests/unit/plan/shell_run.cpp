#include "tests/unit/plan/shell_run.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::test {

namespace {

struct pipe_ends {
  int read = -1;
  int write = -1;
};

pipe_ends make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    throw std::runtime_error("pipe2 failed");
  return {fds[0], fds[1]};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

struct child {
  pid_t pid = -1;
  int in = -1;
  int out = -1;
  int err = -1;
};

child start(std::vector<std::string> arguments, const shell_options& options) {
  std::vector<std::string> environment{
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=" + options.directory};
  for (const auto& [key, value] : options.environment)
    environment.push_back(key + '=' + value);
  auto argv = pointers(arguments);
  auto envp = pointers(environment);
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  auto pid = fork();
  if (pid < 0)
    throw std::runtime_error("fork failed");
  if (pid == 0) {
    setsid();
    dup2(in.read, 0);
    dup2(out.write, 1);
    dup2(err.write, 2);
    if (chdir(options.directory.c_str()) == 0)
      execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(in.read);
  close(out.write);
  close(err.write);
  fcntl(in.write, F_SETFL, O_NONBLOCK);
  return {pid, in.write, out.read, err.read};
}

void close_end(int& fd) {
  if (fd >= 0)
    close(fd);
  fd = -1;
}

/// Takes what is there; closes the end at end of file.
void drain(int& fd, std::string& to) {
  char buffer[65536];
  auto n = read(fd, buffer, sizeof buffer);
  if (n > 0)
    to.append(buffer, static_cast<size_t>(n));
  else if (n == 0 || errno != EINTR)
    close_end(fd);
}

void feed(int& fd, const std::string& input, size_t& used) {
  auto n = write(fd, input.data() + used, input.size() - used);
  if (n > 0)
    used += static_cast<size_t>(n);
  else if (n < 0 && errno != EAGAIN && errno != EINTR)
    used = input.size(); // it does not read any more
  if (used == input.size())
    close_end(fd);
}

/// Moves bytes until all ends are closed. Returns false at the deadline.
bool serve(child& of, const std::string& input, shell_result& to,
           std::chrono::steady_clock::time_point deadline) {
  size_t used = 0;
  while (of.in >= 0 || of.out >= 0 || of.err >= 0) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return false;
    pollfd fds[]
      = {{of.in, POLLOUT, 0}, {of.out, POLLIN, 0}, {of.err, POLLIN, 0}};
    poll(fds, 3, static_cast<int>(left.count()));
    if (of.in >= 0 && fds[0].revents != 0)
      feed(of.in, input, used);
    if (of.out >= 0 && fds[1].revents != 0)
      drain(of.out, to.out);
    if (of.err >= 0 && fds[2].revents != 0)
      drain(of.err, to.err);
  }
  return true;
}

} // namespace

shell_result run_program(const std::vector<std::string>& arguments,
                         const std::string& input,
                         const shell_options& options) {
  signal(SIGPIPE, SIG_IGN);
  auto deadline = std::chrono::steady_clock::now() + options.deadline;
  auto running = start(arguments, options);
  shell_result result;
  auto in_time = serve(running, input, result, deadline);
  close_end(running.in);
  close_end(running.out);
  close_end(running.err);
  if (!in_time)
    kill(-running.pid, SIGKILL);
  int status = 0;
  waitpid(running.pid, &status, 0);
  if (in_time)
    result.exit_code
      = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

} // namespace muster::test
