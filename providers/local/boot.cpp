#include "providers/local/boot.hpp"

#include "providers/local/files.hpp"
#include "providers/local/processes.hpp"
#include "providers/local/ssh_key.hpp"
#include "providers/local/sshd_config.hpp"

#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>

namespace muster::local {

namespace {

int64_t unix_seconds() {
  using namespace std::chrono;
  auto now = system_clock::now().time_since_epoch();
  return duration_cast<seconds>(now).count();
}

/// Takes the first complaint and ignores what comes after it.
class file_writer {
public:
  explicit file_writer(std::string folder) : folder_(std::move(folder)) {
  }

  void folder(const std::string& name, mode_t mode) {
    if (wrong_.empty())
      wrong_ = make_folder(folder_ + name, mode);
  }

  void file(const std::string& name, const std::string& text, mode_t mode) {
    if (wrong_.empty())
      wrong_ = write_file(folder_ + name, text, mode);
  }

  result<void, provider_errc> outcome() const {
    if (!wrong_.empty())
      return fail(provider_errc::call_failed, "local provider: " + wrong_);
    return {};
  }

private:
  std::string folder_;
  std::string wrong_;
};

/// A password field that begins so bars the account from every kind of login
/// when PAM is not asked; cloud images ship root like that.
bool is_locked(const std::string& password) {
  return !password.empty() && password[0] == '!';
}

void write_accounts(file_writer& to, const machine& here, launch_plan& plan) {
  const auto& user = here.user.name;
  constexpr size_t shell_field = 6;
  constexpr size_t password_field = 1;
  auto passwd = read_file("/etc/passwd");
  to.file("/passwd", with_field(passwd, user, shell_field, "/bin/sh"), 0644);
  auto shadow = read_file("/etc/shadow");
  plan.has_shadow
    = is_locked(field_of(shadow, user, password_field).value_or(""));
  if (plan.has_shadow)
    to.file("/shadow", with_field(shadow, user, password_field, "*"), 0600);
}

void write_keys(file_writer& to, const ssh_key& host, const ssh_key& user) {
  to.file("/host_key", host.private_key.reveal(), 0600);
  to.file("/host_key.pub", host.public_key + "\n", 0600);
  to.file("/user_key", user.private_key.reveal(), 0600);
  to.file("/authorized_keys", user.public_key + "\n", 0600);
}

launch_plan plan_for(const boot_request& request, const machine& here,
                     const options& settings) {
  launch_plan out;
  out.id = request.id;
  out.folder = request.folder;
  out.state_dir = request.state_dir;
  out.sshd = here.sshd;
  out.login_home = here.user.home;
  out.login_shell = here.user.shell;
  out.resolver = here.resolver;
  out.mark = mark_of(request.id);
  for (const auto& path : settings.sockets) {
    // One that is not there is told of when it is opened.
    std::error_code missing;
    auto real = std::filesystem::canonical(path, missing);
    out.sockets.push_back(missing ? path : real.string());
  }
  out.isolated = here.isolated;
  out.has_user_data = !settings.user_data.empty();
  return out;
}

sshd_place place_for(const boot_request& request, const machine& here,
                     uint16_t port) {
  sshd_place out;
  out.folder = here.isolated ? folder_inside : request.folder;
  out.user = here.user.name;
  out.port = port;
  out.home = here.isolated ? "" : request.folder + "/home";
  out.mark = mark_of(request.id);
  return out;
}

} // namespace

std::string mark_of(const std::string& id) {
  return "MUSTER_INSTANCE=" + id;
}

result<void, provider_errc> begin_boot(const boot_request& request,
                                       const machine& here,
                                       const options& settings, boot& what) {
  auto& record = what.record;
  record.id = request.id;
  record.isolated = here.isolated;
  if (record.created_ms == 0) {
    record.created_at = unix_seconds();
    record.created_ms = ms_since_boot();
  }
  auto host_key = make_ssh_key();
  auto user_key = make_ssh_key();
  auto port = reserve_port();
  if (!host_key || !user_key || port.port == 0)
    return fail(provider_errc::call_failed,
                fmt::format("local provider: no {} to be had for {}",
                            port.port == 0 ? "port of 127.0.0.1" : "SSH key",
                            request.id));
  record.port = port.port;
  auto plan = plan_for(request, here, settings);
  file_writer files{request.folder};
  files.folder("", 0700);
  files.folder("/home", 0700);
  files.folder("/tmp", 01777);
  write_keys(files, *host_key, *user_key);
  auto place = place_for(request, here, record.port);
  files.file("/sshd_config", sshd_config_text(place, settings.sshd_options),
             0600);
  if (plan.has_user_data)
    files.file("/user_data", settings.user_data, 0700);
  if (plan.isolated)
    write_accounts(files, here, plan);
  if (auto written = files.outcome(); !written)
    return written;
  auto started = launch(plan);
  if (!started)
    return tl::unexpected{started.error()};
  record.process = started->process;
  files.file("/instance.json", to_json(record), 0600);
  if (auto written = files.outcome(); !written) {
    started->go.reset(); // unknown to the next manager, it must end
    wait_end(record.process,
             std::chrono::steady_clock::now() + std::chrono::seconds{5});
    return written;
  }
  release(*started);
  what.status = std::move(started->status);
  what.reserved = std::move(port.holder);
  return {};
}

} // namespace muster::local
