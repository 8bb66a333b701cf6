# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-term potentiation and depression at the spines, as text, and the stimulation that brings them about.

A spine is potentiated by much calcium through its NMDA receptors and depressed by little (Shouval, Bear and Cooper
2002). How much enters follows from what is there anyway: the gate of the presynaptic terminal, the receptors of the
target cell that no drug blocks, and magnesium at the voltage of its compartment, lifted for a moment by each of its
own spikes. GluN2A counts in full for potentiation and GluN2B for depression, each in part for the other; BDNF, through
TrkB, decides how much potentiation there can be.

Coincidences of milliseconds cannot be accelerated: spines change at the pace of life only, and what they have gained or
lost fades at any pace.
"""

from __future__ import annotations

#: Subunits whose calcium counts.
SUBUNITS = ("A", "B")

#: Numbers of the model that cells and spines need, by the names in `circuit.schema.Plasticity`.
CELL_NUMBERS = ("backprop", "tau_backprop", "E_Ca")
SPINE_NUMBERS = ("B_for_LTP", "A_for_LTD", "calcium_LTP", "calcium_LTD", "LTP_max", "LTD_max", "LTD_speed", "K_support")

#: What a cell offers to its spines: the gate of its terminals, and the calcium that an open gate would let in through
#: each subunit and compartment, in multiples of what passes without magnesium at 0 mV, averaged over the slow clock.
CELL = """
gate_now : 1
V_own : volt
backprop : volt (shared, constant)
tau_backprop : second (shared, constant)
E_Ca : volt (shared, constant)
step_entry : 1 (shared, constant)
"""
ENTRY = "entry_{k}{c} : 1"

#: `s_PYR` is the gate as of the last spike. The step is on the clock of the block.
CELL_STEP = """
gate_now = s_PYR*exp(-(t - t_last)/tau_gate_PYR)
V_own = backprop*exp(-(t - t_last)/tau_backprop)
"""
ENTRY_STEP = """
V_spine = {v} + V_own
passes = free_{k}{c}/(1 + Mg_ratio_{k}*exp(-slope_Mg*V_spine))*(1 - V_spine/E_Ca)
entry_{k}{c} += step_entry*(passes - entry_{k}{c})
"""

SPINE = """
potentiation : 1
step_induce : 1 (shared, constant)
step_fade : 1 (shared, constant)
"""

#: One step of every contact, on the slow clock. The curves are of the eighth power: steep, so that calcium has two
#: thresholds. Depression is the slower, or the tail of every burst would undo it. Calcium of a spine follows the gate,
#: whose tens of milliseconds are long against its own.
SPINE_STEP = """
apical = int(weight_d > 0*siemens)
from_A = gate_now_pre*(entry_A_post + apical*(entry_A_d_post - entry_A_post))
from_B = gate_now_pre*(entry_B_post + apical*(entry_B_d_post - entry_B_post))
much = ((from_A + B_for_LTP*from_B)/calcium_LTP)**8
little = ((from_B + A_for_LTD*from_A)/calcium_LTD)**8
rises = much/(1 + much)
falls = LTD_speed*little/(1 + little)*(1 - rises)
support = TrkB_post*(1 + K_support)/(TrkB_post + K_support)
change = rises*support*(LTP_max - potentiation) - falls*(LTD_max + potentiation)
present = int(stage > 0.5)
potentiation = potentiation + step_induce*present*change - step_fade*potentiation
efficacy = head*(1 + potentiation)*scaling_post*present
"""

# -- stimulation -------------------------------------------------------------------------------------------------------

#: What a column's electrode does now. `stimulus_from` is how long the phase has gone on at the start of the segment;
#: a billionth of a step keeps rounding of the times from moving a pulse.
STIMULUS = """
stimulus : siemens
stimulus_size : siemens (constant)
stimulus_from : second (constant)
burst_interval : second (constant)
pulse_interval : second (constant)
pulse_width : second (constant)
num_pulses : 1 (constant)
"""
STIMULUS_STEP = """
since = t + stimulus_from
in_burst = since - burst_interval*floor(since/burst_interval + 1e-9)
pulse = floor(in_burst/pulse_interval + 1e-9)
in_pulse = in_burst - pulse*pulse_interval
stimulus = stimulus_size*int(pulse < num_pulses)*int(in_pulse < pulse_width*(1 - 1e-9))
"""
SINGLE = "single"
#: Patterns by the names that a phase gives them: number that says how often they come, and number of pulses each time.
PATTERNS = {
    "theta bursts": ("theta_interval", "theta_pulses"),
    "low frequency": ("slow_interval", SINGLE),
    "test pulses": ("test_interval", SINGLE),
}


def cell_declarations() -> str:
    """Model text of the cells' part."""
    return CELL + "\n".join(ENTRY.format(k=k, c=c) for k in SUBUNITS for c in ("", "_d"))


def cell_step(compartments: dict[str, str]) -> str:
    """Update of what cells offer to their spines; `compartments` is `circuit.equations.COMPARTMENTS`."""
    return CELL_STEP + "".join(ENTRY_STEP.format(k=k, c=c, v=v) for k in SUBUNITS for c, v in compartments.items())


def spine_declarations() -> str:
    """Model text of the contacts' part."""
    return SPINE + "\n".join(f"{name} : 1 (shared, constant)" for name in SPINE_NUMBERS)
