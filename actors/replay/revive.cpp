#include "actors/replay/revive.hpp"

#include "messages/type_ids.hpp"

#include <caf/all.hpp>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <vector>

namespace muster {

namespace {

using finder = std::function<caf::actor(const std::string&)>;

template <class T>
struct is_vector : std::false_type {};

template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

/// An inspector that changes peers and leaves all else.
class peer_filler {
public:
  using result_type = void;
  static constexpr bool reads_state = false;
  static constexpr bool writes_state = true;

  explicit peer_filler(const finder& find) : find_(find) {
  }

  template <class... Ts>
  void operator()(Ts&&... xs) {
    (visit(xs), ...);
  }

  template <class T>
  void visit(T& x) {
    if constexpr (std::is_same_v<T, peer>) {
      if (!x.role.empty())
        x.handle = find_(x.role);
    } else if constexpr (is_vector<T>::value) {
      if constexpr (std::is_class_v<typename T::value_type>)
        for (auto& one : x)
          visit(one);
    } else if constexpr (
      std::is_class_v<
        T> && !std::is_same_v<T, std::string> && !std::is_same_v<T, caf::error> && !caf::meta::is_annotation<T>::value) {
      inspect(*this, x);
    }
  }

private:
  const finder& find_;
};

using block = caf::id_block::muster;
using fill = void (*)(void*, peer_filler&);

template <size_t... Is>
std::unordered_map<const std::type_info*, fill>
make_table(std::index_sequence<Is...> /*indices*/) {
  std::unordered_map<const std::type_info*, fill> out;
  auto add = [&out]<class T>(std::type_identity<T> /*type*/) {
    out[&typeid(T)]
      = [](void* x, peer_filler& f) { f.visit(*static_cast<T*>(x)); };
  };
  (add(std::type_identity<typename caf::type_by_id<block::begin + Is>::type>{}),
   ...);
  return out;
}

} // namespace

void revive(caf::message& what, const finder& find) {
  static const auto table
    = make_table(std::make_index_sequence<block::end - block::begin>{});
  if (what.size() != 1)
    return;
  auto found = table.find(what.type(0).second);
  if (found == table.end())
    return;
  peer_filler filler{find};
  found->second(what.get_mutable(0), filler);
}

} // namespace muster
