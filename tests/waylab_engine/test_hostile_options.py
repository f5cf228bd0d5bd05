import random
import secrets

from tests.waylab_engine import hostile

WISHES = 3_000


def test_no_wish_of_a_user_leads_out_of_the_own_container() -> None:
    seed = secrets.token_hex(8)
    print(f"SEED={seed}")

    findings = hostile.run(random.Random(seed), WISHES)  # noqa: S311 - repeatable.

    print(findings.summary)
    assert findings.wrong == []
    labs, jobs = hostile.counted(findings)
    # Few wishes are allowed; these are far fewer than chance gives.
    assert labs > WISHES / 150
    assert jobs > WISHES / 150


def test_the_judge_sees_what_is_wrong() -> None:
    """A judge that lets everything pass would prove nothing."""
    dice = random.Random(1)  # noqa: S311 - repeatable.
    wish = hostile._Wished(dice)
    wish.user, wish.arguments, wish.image = "ann", "", "torch"
    wish.is_lab, wish.gpus, wish.cdi, wish.groups = False, (), False, ()
    plan = wish.plan()

    wish.gpus = hostile.GPUS[:1]

    assert "another's GPU" in hostile._wrong(plan, wish)
    assert hostile._foreign(plan, wish, {plan.mounts[0].source: "bob"}) != []
