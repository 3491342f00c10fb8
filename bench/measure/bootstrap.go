package measure

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is a median with the bounds between which, at 95 %, the median of further runs would lie.
type Interval struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Runs   int     `json:"runs"`
}

// resamples is the number of bootstrap samples.
const resamples = 2000

// Bootstrap is the median of values and its percentile bootstrap interval. Up to five values the interval is from the least to the greatest.
// The same values give the same interval.
func Bootstrap(values []float64) Interval {
	values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(values) == 0 {
		return Interval{Median: math.NaN(), Low: math.NaN(), High: math.NaN()}
	}
	slices.Sort(values)
	rng := rand.New(rand.NewPCG(uint64(len(values)), 95))
	medians, sample := make([]float64, resamples), make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[rng.IntN(len(values))]
		}
		slices.Sort(sample)
		medians[i] = middle(sample)
	}
	slices.Sort(medians)
	return Interval{Median: middle(values), Low: medians[resamples*25/1000], High: medians[resamples*975/1000], Runs: len(values)}
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Overlaps reports whether two intervals share a value.
func (i Interval) Overlaps(o Interval) bool { return i.Low <= o.High && o.Low <= i.High }
