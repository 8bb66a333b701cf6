# SPDX-License-Identifier: GPL-3.0-or-later
"""Every equation of the circuit, as text.

The same text is compiled for every device. It holds no biology value: each parameter is declared here with its unit
and set from ``configs/parameters.yaml`` at run time. Clocks:

=============  =======================================================================================
every ``dt``   membrane, adaptation, synaptic conductances
column clock   afferent drive, tonic NMDA, glutamate, read-outs (1 ms)
block clock    channel block of the NMDA receptors, far slower than a millisecond
slow clocks    from BDNF to spines (`circuit.signalling`), their plasticity (`circuit.plasticity`)
=============  =======================================================================================

Short-term plasticity and the saturating NMDA gate live on the presynaptic cell, one set for each target population,
and are advanced in closed form when it spikes; a synapse only reads the finished increment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from circuit import plasticity, signalling
from circuit.populations import INTERNEURONS, POPULATIONS
from circuit.subunits import TAGS

#: Compartments: suffix of the variable names, voltage. Interneurons couple theirs so strongly that they are one.
COMPARTMENTS = {"": "v", "_d": "v_d"}

# -- cells, every dt ---------------------------------------------------------------------------------------------------

MEMBRANE = """
dv/dt = is_ready*(g_L*(E_L - v) + g_L*Delta_T*exp((v - V_T)/Delta_T) - w + g_c*(v_d - v) - I_syn)/C_m : volt
dv_d/dt = (g_L_d*(E_L - v_d) + g_c*(v - v_d) - I_syn_d)/C_d : volt
dw/dt = (a*(v - E_L) - w)/tau_w : amp
is_ready = int(t >= t_ready) : 1
t_ready : second
C_m : farad (constant)
C_d : farad (constant)
g_L : siemens (constant)
g_L_d : siemens (constant)
g_c : siemens (constant)
E_L : volt (constant)
V_T : volt
V_T_rest : volt (constant)
Delta_T : volt (constant)
V_cut : volt
cut_above : volt (constant)
V_r : volt (constant)
a : siemens (constant)
b : amp (constant)
tau_w : second (constant)
t_ref : second (constant)
E_exc : volt (shared, constant)
E_GABA : volt (shared, constant)
"""

#: One compartment's synapses; `{c}` is the suffix. Each decay constant is the one with which the Euler step of length
#: dt decays exactly exponentially (`circuit.draw.euler_tau`).
COMPARTMENT = """
dg_AMPA{c}/dt = -g_AMPA{c}/tau_AMPA : siemens
dg_NMDA{c}/dt = -g_NMDA{c}/tau_NMDA : siemens
dg_GABA{c}/dt = -g_GABA{c}/tau_GABA{c} : siemens
I_AMPA{c} = g_AMPA{c}*({v} - E_exc) : amp
I_ext{c} = g_ext{c}*({v} - E_exc) : amp
I_GABA{c} = (g_GABA{c} + g_GABA_tonic{c})*({v} - E_GABA) : amp
I_NMDA{c} = ({open_conductance})*({v} - E_exc) : amp
I_syn{c} = I_AMPA{c} + I_ext{c} + I_NMDA{c} + I_GABA{c} : amp
mg{c} = exp(-slope_Mg*{v}) : 1
tau_GABA{c} : second (constant)
g_GABA_tonic{c} : siemens
g_ext{c} : siemens
g_NMDA_ext{c} : siemens
noise{c} : 1
mean_ext{c} : siemens (constant)
slow_ext{c} : 1 (constant)
"""

#: Receptors with subunit `{k}` in one compartment. `free_` is their share of the NMDA conductance, less what a drug
#: blocks or modulates away; `tonic_` the conductance that ambient glutamate opens of it; magnesium leaves `B_` of both.
SUBUNIT_IN_COMPARTMENT = """
bound_{k}{c} = 1 + Mg_ratio_{k}*mg{c} : 1
B_{k}{c} = 1/bound_{k}{c} : 1
g_{k}{c} = free_{k}{c}*(g_NMDA{c} + g_NMDA_ext{c}) + tonic_{k}{c} : siemens
block_{k}{c} : 1
free_{k}{c} : 1
tonic_{k}{c} : siemens
"""

SUBUNIT = """
f_{k} : 1 (constant)
Mg_ratio_{k} : 1 (shared, constant)
"""

SYNAPTIC_CONSTANTS = """
tau_AMPA : second (constant)
tau_NMDA : second (constant)
NMDA_ratio : 1 (constant)
NMDA_ratio_ext : 1 (constant)
gate_decay_ext : 1 (constant)
g_NMDA_max : siemens (constant)
g_NMDA_max_d : siemens (constant)
g_tonic_max : siemens (constant)
g_tonic_max_d : siemens (constant)
sd_ext : 1 (shared, constant)
noise_decay : 1 (shared, constant)
noise_step : 1 (shared, constant)
own_ext : 1 (constant)
common_ext : 1 (constant)
slow_share_AMPA : 1 (shared, constant)
slope_Mg : 1/volt (shared, constant)
reached : 1 (constant)
block_acceleration : 1 (shared, constant)
block_step : second (shared, constant)
"""

#: Presynaptic state for target population `{T}`: Tsodyks-Markram `x`, `u` and NMDA gate `s`, each as of the last spike,
#: and the finished increments that synapses read, in units of a first spike from rest.
TERMINAL = """
x_{T} : 1
u_{T} : 1
s_{T} : 1
release_{T} : 1
gate_{T} : 1
U_{T} : 1 (constant)
tau_rec_{T} : second (constant)
tau_fac_{T} : second (constant)
alpha_five_{T} : 1 (constant)
to_{T} : 1 (constant)
tau_gate_{T} : second (shared, constant)
k_zero_{T} : 1 (shared, constant)
k_one_{T} : 1 (shared, constant)
"""

PRESYNAPTIC = """
t_last : second
released : 1
is_PYR : 1 (constant)
sodium_min : 1 (shared, constant)
stimulated : 1 (constant)
"""

#: Parameters that the cells of a population share (`circuit.draw.cell_parameters`); nothing in a run changes them.
OF_A_POPULATION = (
    *("g_c", "E_L", "Delta_T", "a", "tau_w"),
    *("tau_AMPA", "tau_NMDA", "tau_GABA", "tau_GABA_d"),
)

#: Subunits that most cells lack: the share that says so, and what then does not count in the step of the cells.
LACKED = {
    f"f_{k}": (f"Mg_ratio_{k}", *(f"{name}_{k}{c}" for name in ("free", "tonic") for c in COMPARTMENTS))
    for k in ("C", "D")
}

THRESHOLD = "v > V_cut"

#: Half a step less, so that rounding of the times does not decide whether a cell is ready a step later.
RESET = """
v = V_r
w += b
t_ready = t + t_ref - dt/2
elapsed = t - t_last
t_last = t
"""

#: `fraction` is what the terminal releases of its resources; calcium-channel block and autoreceptors (mGluR2/3, PYR
#: only) scale it. Drugs at AMPA and GABA_A receptors scale what a release opens, not the gate of the NMDA receptors.
RESET_TERMINAL = """
u_{T} = U_{T} + u_{T}*(1 - U_{T})*exp(-elapsed/tau_fac_{T})
x_{T} = 1 - (1 - x_{T})*exp(-elapsed/tau_rec_{T})
fraction_{T} = u_{T}*x_{T}*release_factor*(1 - is_PYR*(1 - autoreceptor))
x_{T} -= fraction_{T}
s_{T} *= exp(-elapsed/tau_gate_{T})
opened_{T} = fraction_{T}*(k_zero_{T} + k_one_{T}*s_{T})
s_{T} += opened_{T}
inhibited_{T} = GABA_factor*(1 - alpha_five_{T}*(1 - alpha_five_factor))
release_{T} = (is_PYR*AMPA_factor + (1 - is_PYR)*inhibited_{T})*fraction_{T}/U_{T}
gate_{T} = opened_{T}/(U_{T}*k_zero_{T})
"""

RESET_RELEASE = "released += is_PYR*fraction_PYR"

# -- cells, on the slower clocks ---------------------------------------------------------------------------------------

#: Ornstein-Uhlenbeck afferent conductance by its exact update, clipped at zero, with what an electrode adds to some
#: cells, and its NMDA part behind it; tonic GABA_A conductance that an agonist opens. The cells of a column have a part
#: of the noise in common, and a slow input, which AMPA receptors see by `slow_share_AMPA` and NMDA receptors in full.
DRIVE = """
noise{c} = noise_decay*noise{c} + noise_step*randn()
fast{c} = 1 + sd_ext*(own_ext*noise{c} + common_ext*shared_noise)
slow{c} = slow_ext{c}*slow_noise
afferent{c} = afferent_factor*(mean_ext{c}*clip(fast{c} + slow_share_AMPA*slow{c}, 0, inf) + stimulated*stimulus)
afferent_NMDA{c} = afferent_factor*(mean_ext{c}*clip(fast{c} + slow{c}, 0, inf) + stimulated*stimulus)
g_ext{c} = AMPA_factor*afferent{c}
g_NMDA_ext{c} = gate_decay_ext*g_NMDA_ext{c} + (1 - gate_decay_ext)*NMDA_ratio_ext*afferent_NMDA{c}
g_GABA_tonic{c} = GABA_agonist*g_L{c}
"""

#: Scaling the sodium term of the AdEx model by f is the same as raising V_T by -Delta_T ln f. Its exponential never
#: saturates, so below a share of the sodium channels that no action potential survives, V_T goes out of reach.
SODIUM = """
V_T = V_T_rest - Delta_T*log_sodium + int(sodium_factor < sodium_min)*volt
V_cut = V_T + cut_above
"""

TONIC_IN_COMPARTMENT = """
tonic_{k}{c} = g_tonic_max{c}*p_tonic_{k}*free_{k}{c}
"""

#: Trapping block: exponential update over one step of the block clock, the voltage sampled on it. The step is a
#: parameter because `dt` here is the step of the cells, whatever the clock of the update. `off_` is the rate at 0 mV;
#: `reached` is 0 in cells whose receptors an experiment has the drugs spare.
BLOCK = """
activity = 1 + reached*(activity_{k} - 1)
active = clip(activity*((g_NMDA{c} + g_NMDA_ext{c})/g_NMDA_max{c} + p_tonic_{k}), 1e-9, 1)
rate_on = reached*active*on_{k}*B_{k}{c}
rate_off = active*off_{k}*exp(slope_off*{v}) + (1 - active)*untrap
settled = rate_on/(rate_on + rate_off)
block_{k}{c} = settled + (block_{k}{c} - settled)*exp(-(rate_on + rate_off)*block_acceleration*block_step)
free_{k}{c} = f_{k}*activity*(1 - block_{k}{c})
"""

# -- synapses ----------------------------------------------------------------------------------------------------------

WEIGHT = """
weight : siemens (constant)
"""

WEIGHTS = """
weight : siemens (constant)
weight_d : siemens (constant)
"""


def _masked(name: str, targets: Sequence[str]) -> str:
    """What the source's terminals onto the target's population hold."""
    return " + ".join(f"{name}_{T}_pre*to_{T}_post" for T in targets)


#: Of pyramidal cells onto the somata of interneurons.
EXCITATION = f"""
g_AMPA_post += weight*({_masked("release", INTERNEURONS)})
g_NMDA_post += weight*NMDA_ratio_post*({_masked("gate", INTERNEURONS)})
"""

#: Synapses among pyramidal cells sit on spines, and more BDNF of the target has them release more.
SPINES = """
gain = efficacy*retrograde_post
g_AMPA_post += weight*gain*release_PYR_pre
g_AMPA_d_post += weight_d*gain*release_PYR_pre
g_NMDA_post += weight*gain*NMDA_ratio_post*gate_PYR_pre
g_NMDA_d_post += weight_d*gain*NMDA_ratio_post*gate_PYR_pre
"""

INHIBITION = f"""
release = {_masked("release", POPULATIONS)}
g_GABA_post += weight*release
g_GABA_d_post += weight_d*release
"""

# -- column ------------------------------------------------------------------------------------------------------------

COLUMN = """
glutamate : mmolar
vesicular : mmolar/second
autoreceptor : 1
autoreceptor_ext : 1
released : 1
I_AMPA_sum : amp
I_exc_sum : amp
I_inh_sum : amp
schedule_rate : 1 (constant)
num_PYR : 1 (constant)
release_size : mmolar (constant)
release_ext : mmolar/second (constant)
leak : mmolar/second (constant)
uptake_max : mmolar/second (constant)
uptake_K : mmolar (constant)
mGluR_max : 1 (constant)
mGluR_max_ext : 1 (constant)
mGluR_EC50 : mmolar (constant)
mGluR_hill : 1 (constant)
hill_glutamate : 1 (constant)
log_sodium : 1
shared_noise : 1
shared_decay : 1 (constant)
shared_step : 1 (constant)
slow_noise : 1
slow_decay : 1 (constant)
slow_step : 1 (constant)
"""

#: Ambient glutamate at receptors with subunit `{k}`.
COLUMN_SUBUNIT = """
EC50_{k} : mmolar (constant)
p_tonic_{k} : 1
"""

#: What the drugs do to a column at this moment (`circuit.interventions.effects`), with its unit and in the order in
#: which the schedule holds it; the drug's own concentration is for the record.
SCHEDULED = {
    "conc_drug": "mmolar",
    **{f"{rate}_{k}": "Hz" for rate in ("on", "off") for k in TAGS},
    "slope_off": "1/volt",
    "untrap": "Hz",
    **{f"activity_{k}": "1" for k in TAGS},
    "AMPA_factor": "1",
    "GABA_factor": "1",
    "alpha_five_factor": "1",
    "GABA_agonist": "1",
    "mGluR_agonist": "1",
    "mGluR_shift": "1",
    "uptake_shift": "1",
    "sodium_factor": "1",
    "release_factor": "1",
    "afferent_factor": "1",
    **dict.fromkeys(signalling.FACTORS, "1"),
}

#: What the cells read of their column.
LINKED = {
    **dict.fromkeys(("autoreceptor", "shared_noise", "slow_noise", "log_sodium"), "1"),
    "stimulus": "siemens",
    **{f"p_tonic_{k}": "1" for k in TAGS},
} | {
    name: unit
    for name, unit in SCHEDULED.items()
    if name not in ("conc_drug", "mGluR_agonist", "mGluR_shift", "uptake_shift")
}

#: Input common to the cells of a column: two Ornstein-Uhlenbeck processes by their exact update. Glutamate beside the
#: synapses: spillover of the vesicles that pyramidal cells emptied since the last step and of those of their afferents,
#: a non-vesicular leak, Michaelis-Menten uptake. mGluR2/3 on the terminals of both see it, and what they leave of the
#: afferents' release is left of the drive too.
COLUMN_STEP = """
shared_noise = shared_decay*shared_noise + shared_step*randn()
slow_noise = slow_decay*slow_noise + slow_step*randn()
afferent_factor = afferent_factor*autoreceptor_ext
vesicular = release_size*released/(num_PYR*dt) + release_ext*afferent_factor
uptake = uptake_max*glutamate/(uptake_K*uptake_shift + glutamate)
glutamate += dt*(vesicular + leak - uptake)
bound = (glutamate/mGluR_EC50 + mGluR_agonist)/mGluR_shift
occupied = 1/(1 + bound**(-mGluR_hill))
autoreceptor = 1 - mGluR_max*occupied
autoreceptor_ext = 1 - mGluR_max_ext*occupied
log_sodium = log(sodium_factor)
"""

TONIC = """
p_tonic_{k} = 1/(1 + (EC50_{k}/glutamate)**hill_glutamate)
"""

#: Sums over the pyramidal cells of a column, for glutamate, AMPA throughput and the LFP proxy.
READOUT = """
released_post = released_pre : 1 (summed)
I_AMPA_sum_post = I_AMPA_pre + I_AMPA_d_pre : amp (summed)
I_exc_sum_post = I_AMPA_pre + I_AMPA_d_pre + I_ext_pre + I_ext_d_pre + I_NMDA_pre + I_NMDA_d_pre : amp (summed)
I_inh_sum_post = I_GABA_pre + I_GABA_d_pre : amp (summed)
"""


_STATE = re.compile(r"^(?:d(?P<evolving>\w+)/dt = .*|(?P<plain>\w+)) : [^()\n]+$", re.MULTILINE)


def states() -> tuple[str, ...]:
    """Names of everything that changes in a run, as ``object.variable``: what the next segment of a course needs."""
    texts = {"cells": cells(), "column": column(), "spines": contacts()}
    found = ((owner, match) for owner, text in texts.items() for match in _STATE.finditer(text))
    return tuple(f"{owner}.{match['evolving'] or match['plain']}" for owner, match in found)


def open_to_all(c: str) -> str:
    """Sum over the subunits of conductance over 1 + Mg/K, on one denominator: a division costs as much as the rest."""
    pairs = [(f"g_{k}{c}", f"bound_{k}{c}") for k in TAGS]
    while len(pairs) > 1:
        pairs = [
            (f"(({a})*({q}) + ({b})*({p}))", f"({p})*({q})")
            for (a, p), (b, q) in zip(pairs[::2], pairs[1::2], strict=True)
        ]
    ((numerator, denominator),) = pairs
    return f"({numerator})/({denominator})"


def cells() -> str:
    """Model text of the flat set of cells."""
    parts = [MEMBRANE, SYNAPTIC_CONSTANTS, PRESYNAPTIC, *(f"{name} : {unit} (linked)" for name, unit in LINKED.items())]
    parts += [signalling.declarations((*signalling.PARAMETERS, *signalling.CONDITIONS)), plasticity.cell_declarations()]
    parts += [SUBUNIT.format(k=k) for k in TAGS]
    parts += [TERMINAL.format(T=T) for T in POPULATIONS]
    for c, v in COMPARTMENTS.items():
        open_conductance = open_to_all(c)
        parts.append(COMPARTMENT.format(c=c, v=v, open_conductance=open_conductance))
        parts += [SUBUNIT_IN_COMPARTMENT.format(c=c, k=k) for k in TAGS]
    return "\n".join(parts)


def reset() -> str:
    """What a spike does to the cell and its terminals."""
    return "\n".join([RESET, *(RESET_TERMINAL.format(T=T) for T in POPULATIONS), RESET_RELEASE])


def drive() -> str:
    """Update of afferent drive and tonic conductances, once per step of the column clock."""
    parts = [DRIVE.format(c=c) for c in COMPARTMENTS] + [SODIUM]
    parts += [TONIC_IN_COMPARTMENT.format(c=c, k=k) for c in COMPARTMENTS for k in TAGS]
    return "\n".join([*parts, signalling.SENSOR_AMPA, "released = 0"])


def block() -> str:
    """Update of the channel block, once per step of the block clock."""
    parts = [(BLOCK + TONIC_IN_COMPARTMENT).format(c=c, v=v, k=k) for c, v in COMPARTMENTS.items() for k in TAGS]
    at_rest = " + ".join(f"tonic_{k}{c}*B_{k}{c}*(E_exc - {v})" for c, v in COMPARTMENTS.items() for k in TAGS)
    return "\n".join([*parts, signalling.SENSOR_NMDA.format(at_rest=at_rest)])


def plastic() -> str:
    """Update of what cells offer to their spines, on the block clock; only where spines are plastic."""
    return plasticity.cell_step(COMPARTMENTS)


def contacts() -> str:
    """Model text of the potential contacts among pyramidal cells."""
    return WEIGHTS + signalling.CONTACT + plasticity.spine_declarations()


def column() -> str:
    """Model text of the columns."""
    parts = [COLUMN, plasticity.STIMULUS, *(COLUMN_SUBUNIT.format(k=k) for k in TAGS)]
    return "\n".join([*parts, *(f"{name} : {unit}" for name, unit in SCHEDULED.items())])


def column_step() -> str:
    """Update of a column: what the drugs do now, then glutamate and what it opens; once a column and not a cell."""
    values = [
        f"{name} = drug_schedule(t*schedule_rate, {len(SCHEDULED)}*i + {n})*{unit}"
        for n, (name, unit) in enumerate(SCHEDULED.items())
    ]
    return "\n".join([*values, COLUMN_STEP, *(TONIC.format(k=k) for k in TAGS), plasticity.STIMULUS_STEP])
