#include "tools/muster/admin/access.hpp"

#include "actors/coordinator/retry.hpp"
#include "config/log.hpp"
#include "config/version.hpp"
#include "tools/muster/gitlab.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>
#include <thread>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// Somebody sits before a command.
constexpr std::chrono::milliseconds pause_max = 5min;

double chance() {
  static thread_local std::mt19937 dice{std::random_device{}()};
  return std::uniform_real_distribution<double>{0, 1}(dice);
}

bool pause(std::chrono::milliseconds how_long, const api_answer& x) {
  if (how_long > pause_max)
    return false;
  if (how_long > 1s)
    log::info(
      fmt::format("GitLab answers {}: tried again in {} s", x.status,
                  std::chrono::ceil<std::chrono::seconds>(how_long).count()));
  std::this_thread::sleep_for(how_long);
  return true;
}

template <class Call>
auto patiently(Call call) {
  return with_retries(call, pause, chance);
}

} // namespace

bool is_created_token(const secret& token) {
  return token.reveal().starts_with("glrt-");
}

runner_access::runner_access(std::unique_ptr<api_client> client,
                             manager_info info, std::string system_id)
  : client_(std::move(client)),
    info_(std::move(info)),
    system_id_(std::move(system_id)) {
}

result<runner_access, coordinator_errc>
runner_access::make(const runner_entry_facts& who, std::string system_id) {
  auto files = certificates_for(
    {who.url, who.tls_ca_file, who.tls_cert_file, who.tls_key_file});
  auto trusted = std::make_shared<certificate_store>(
    files, [](const std::string& x) { log::warning(x); });
  auto client = api_client::make(gitlab_settings(who.url), trusted);
  if (!client)
    return tl::unexpected{client.error()};
  return runner_access{std::move(*client), info_of_manager(who.executor),
                       std::move(system_id)};
}

identity_answer runner_access::verify(const secret& token) {
  return patiently([&] { return client_->verify({info_, token, system_id_}); });
}

identity_answer runner_access::register_runner(registration what) {
  what.info = info_;
  return patiently([&] { return client_->register_runner(what); });
}

identity_answer runner_access::reset_token(const secret& token) {
  return patiently([&] { return client_->reset_token(token); });
}

identity_answer runner_access::reset_token_of(int64_t runner,
                                              const secret& personal_token) {
  return patiently(
    [&] { return client_->reset_token_of(runner, personal_token); });
}

api_answer runner_access::unregister(const secret& token) {
  return patiently([&] {
    return is_created_token(token)
             ? client_->unregister_manager(token, system_id_)
             : client_->unregister_runner(token);
  });
}

} // namespace muster
