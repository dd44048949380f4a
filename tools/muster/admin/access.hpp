#pragma once

#include "actors/coordinator/api_client.hpp"
#include "config/edit.hpp"

#include <memory>
#include <string>

namespace muster {

/// GitLab's runner API for a command: calls block, and are made again while
/// the server asks for patience.
class runner_access {
public:
  /// Errors: a URL, proxy or client certificate that cannot be used.
  static result<runner_access, coordinator_errc>
  make(const runner_entry_facts& who, std::string system_id);

  identity_answer verify(const secret& token);
  identity_answer register_runner(registration what);
  identity_answer reset_token(const secret& token);
  identity_answer reset_token_of(int64_t runner, const secret& personal_token);

  /// By the kind of the token: this manager of the runner, or all of it.
  api_answer unregister(const secret& token);

private:
  runner_access(std::unique_ptr<api_client> client, manager_info info,
                std::string system_id);

  std::unique_ptr<api_client> client_;
  manager_info info_;
  std::string system_id_;
};

/// Whether the runner behind a token was made in GitLab, so that it is never
/// registered (reference/job-api, section 9).
bool is_created_token(const secret& token);

} // namespace muster
