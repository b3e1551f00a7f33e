#include "graph/node.h"

#include <gtest/gtest.h>

#include <thread>

#include "graph/build.h"

namespace nxv {
namespace {

NodeRef leaf(const GraveyardRef& owner) {
  return constant(owner, make_scalar(DType::f32, 1.0), {});
}

TEST(Node, LastReleaseOnlyQueues) {
  const auto owner = std::make_shared<Graveyard>();
  NodeRef x = elementwise(Op::negate, {leaf(owner)});
  NodeRef also = x;
  EXPECT_EQ(x->references(), 2u);
  x = {};
  EXPECT_EQ(owner->drain(), 0u);
  also = {};
  EXPECT_EQ(owner->live_nodes(), 2);
  EXPECT_EQ(owner->drain(), 2u);
  EXPECT_EQ(owner->live_nodes(), 0);
}

TEST(Node, LongChainsNeitherRecurseNorCrash) {
  const auto owner = std::make_shared<Graveyard>();
  NodeRef x = leaf(owner);
  for (int i = 0; i < 1000000; ++i) x = elementwise(Op::negate, {x});
  x = {};
  EXPECT_EQ(owner->drain(), 1000001u);
  EXPECT_EQ(owner->live_nodes(), 0);
}

TEST(Node, ClosedGraveyardDestroysAtOnce) {
  const auto owner = std::make_shared<Graveyard>();
  NodeRef x = leaf(owner);
  for (int i = 0; i < 100000; ++i) x = elementwise(Op::negate, {x});
  owner->close();
  EXPECT_EQ(owner->live_nodes(), 100001);
  x = {};
  EXPECT_EQ(owner->live_nodes(), 0);
}

TEST(Node, LastNodeMayOutliveItsGraveyardsOwner) {
  auto owner = std::make_shared<Graveyard>();
  const std::weak_ptr<Graveyard> watch = owner;
  NodeRef x = elementwise(Op::negate, {leaf(owner)});
  owner->close();
  owner.reset();
  x = {};
  EXPECT_TRUE(watch.expired());
}

TEST(Node, AnyThreadReleases) {
  const auto owner = std::make_shared<Graveyard>();
  const NodeRef shared = leaf(owner);
  std::atomic<bool> done{false};
  size_t drained = 0;
  std::thread engine([&] {
    while (!done) drained += owner->drain();
    drained += owner->drain();
  });
  std::vector<std::thread> callers;
  constexpr int kThreads = 8, kEach = 5000;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const NodeRef x = elementwise(Op::add, {shared, shared});
        NodeRef copy = x;
        copy = {};
      }
    });
  }
  for (std::thread& t : callers) t.join();
  done = true;
  engine.join();
  EXPECT_EQ(drained, static_cast<size_t>(kThreads) * kEach);
  EXPECT_EQ(owner->live_nodes(), 1);
  owner->close();  // what is released from here on is destroyed there and then
}

TEST(Node, StateCarriesItsFailure) {
  const auto owner = std::make_shared<Graveyard>();
  const NodeRef x = leaf(owner);
  EXPECT_TRUE(x->is_pending());
  x->set_failed({Status::arithmetic, "why"});
  EXPECT_EQ(x->state(), State::failed);
  EXPECT_FALSE(x->is_readable());
  try {
    x->throw_if_unreadable();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::arithmetic);
    EXPECT_STREQ(e.what(), "why");
  }
  owner->close();
}

TEST(Node, ConsumedValuesAreNoFailures) {
  const auto owner = std::make_shared<Graveyard>();
  const NodeRef x = leaf(owner);
  x->throw_if_unreadable();
  const auto storage = std::make_shared<Storage>();
  x->set_stored(storage);
  x->throw_if_unreadable();
  x->set_consumed();
  EXPECT_EQ(x->state(), State::consumed);
  EXPECT_EQ(storage.use_count(), 1) << "the storage was given up";
  try {
    x->throw_if_unreadable();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::internal);
    EXPECT_NE(std::string(e.what()).find("taken its storage"), std::string::npos) << e.what();
  }
  owner->close();
}

}  // namespace
}  // namespace nxv
