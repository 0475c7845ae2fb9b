"""A mean difference with its standard error, and what follows from it by Student's t."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95
"""Level of every interval; 1 minus it is the level of every test."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean difference, arm minus baseline, in the unit of the measure.

    Attributes:
        mean: of the differences.
        standard_error: of the mean.
        df: degrees of freedom of `standard_error`.
        low: lower end of the interval at `CONFIDENCE`.
        high: its upper end.
        p: of a two-sided t-test that the expected difference is 0.
    """

    mean: float
    standard_error: float
    df: float
    low: float
    high: float
    p: float

    @staticmethod
    def of(mean: float, standard_error: float, df: float) -> Estimate:
        """The interval and p that follow by Student's t with `df` degrees of freedom."""
        low, high = stats.t.interval(CONFIDENCE, df, loc=mean, scale=standard_error)
        p = 2 * stats.t.sf(abs(mean) / standard_error, df)
        return Estimate(
            mean=mean,
            standard_error=standard_error,
            df=df,
            low=float(low),
            high=float(high),
            p=float(p),
        )

    def equivalence_p(self, margin: float) -> float:
        """P of two one-sided tests that the expected difference is not within ± `margin`.

        At most 0.05 exactly where the 90 % interval lies within the margin.

        References:
            Schuirmann, A comparison of the two one-sided tests procedure and the power approach
            for assessing the equivalence of average bioavailability, 1987.
        """
        t = stats.t(self.df, loc=self.mean, scale=self.standard_error)
        return float(max(t.cdf(-margin), t.sf(margin)))
