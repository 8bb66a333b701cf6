# SPDX-License-Identifier: GPL-3.0-or-later
"""Every equation of the circuit, as text.

The same text is compiled for every device. It holds no biology value: each parameter is declared here with its unit
and set from ``configs/parameters.yaml`` at run time. Three clocks:

=============  =======================================================================================
every ``dt``   membrane, adaptation, synaptic conductances
column clock   afferent drive, tonic NMDA, glutamate, read-outs (1 ms)
block clock    channel block of the NMDA receptors, far slower than a millisecond
=============  =======================================================================================

Short-term plasticity and the saturating NMDA gate live on the presynaptic cell, one set for each target population,
and are advanced in closed form when it spikes; a synapse only reads the finished increment.
"""

from __future__ import annotations

from circuit.populations import POPULATIONS
from circuit.receptors import TAGS

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
V_T : volt (constant)
Delta_T : volt (constant)
V_cut : volt (constant)
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
I_GABA{c} = g_GABA{c}*({v} - E_GABA) : amp
I_NMDA{c} = ({open_conductance})*({v} - E_exc) : amp
I_syn{c} = I_AMPA{c} + I_ext{c} + I_NMDA{c} + I_GABA{c} : amp
mg{c} = exp(-slope_Mg*{v}) : 1
tau_GABA{c} : second (constant)
g_ext{c} : siemens
g_NMDA_ext{c} : siemens
noise{c} : 1
mean_ext{c} : siemens (constant)
"""

#: One receptor class `{k}` in one compartment. `open_` is the conductance of synaptic and tonic receptors that are
#: neither blocked by the drug (`block_`) nor by magnesium (`B_`).
CLASS_IN_COMPARTMENT = """
B_{k}{c} = 1/(1 + Mg_ratio_{k}*mg{c}) : 1
open_{k}{c} = (f_{k}*(g_NMDA{c} + g_NMDA_ext{c}) + g_tonic_{k}{c})*(1 - block_{k}{c})*B_{k}{c} : siemens
block_{k}{c} : 1
g_tonic_{k}{c} : siemens
"""

RECEPTOR_CLASS = """
f_{k} : 1 (constant)
Mg_ratio_{k} : 1 (shared, constant)
k_off_{k} : Hz (shared, constant)
EC50_{k} : mmolar (shared, constant)
p_tonic_{k} : 1
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
slope_Mg : 1/volt (shared, constant)
k_on : Hz/mmolar (shared, constant)
slope_off : 1/volt (shared, constant)
V_off : volt (shared, constant)
hill_glutamate : 1 (shared, constant)
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
to_{T} : 1 (constant)
tau_gate_{T} : second (shared, constant)
k_zero_{T} : 1 (shared, constant)
k_one_{T} : 1 (shared, constant)
"""

PRESYNAPTIC = """
t_last : second
released : 1
is_PYR : 1 (constant)
glutamate : mmolar (linked)
conc_drug : mmolar (linked)
autoreceptor : 1 (linked)
"""

THRESHOLD = "v > V_cut"

#: Half a step less, so that rounding of the times does not decide whether a cell is ready a step later.
RESET = """
v = V_r
w += b
t_ready = t + t_ref - dt/2
elapsed = t - t_last
t_last = t
"""

#: `fraction` is what the terminal releases of its resources; autoreceptors (mGluR2/3, PYR only) scale it.
RESET_TERMINAL = """
u_{T} = U_{T} + u_{T}*(1 - U_{T})*exp(-elapsed/tau_fac_{T})
x_{T} = 1 - (1 - x_{T})*exp(-elapsed/tau_rec_{T})
fraction_{T} = u_{T}*x_{T}*(1 - is_PYR*(1 - autoreceptor))
x_{T} -= fraction_{T}
s_{T} *= exp(-elapsed/tau_gate_{T})
opened_{T} = fraction_{T}*(k_zero_{T} + k_one_{T}*s_{T})
s_{T} += opened_{T}
release_{T} = fraction_{T}/U_{T}
gate_{T} = opened_{T}/(U_{T}*k_zero_{T})
"""

RESET_RELEASE = "released += is_PYR*fraction_PYR"

# -- cells, on the slower clocks ---------------------------------------------------------------------------------------

#: Ornstein-Uhlenbeck afferent conductance by its exact update, clipped at zero, and its NMDA part behind it.
DRIVE = """
noise{c} = noise_decay*noise{c} + noise_step*randn()
g_ext{c} = mean_ext{c}*clip(1 + sd_ext*noise{c}, 0, inf)
g_NMDA_ext{c} = gate_decay_ext*g_NMDA_ext{c} + (1 - gate_decay_ext)*NMDA_ratio_ext*g_ext{c}
"""

TONIC = """
p_tonic_{k} = 1/(1 + (EC50_{k}/glutamate)**hill_glutamate)
g_tonic_{k} = g_tonic_max*f_{k}*p_tonic_{k}
g_tonic_{k}_d = g_tonic_max_d*f_{k}*p_tonic_{k}
"""

#: Trapping block: exponential update over one step of the block clock, the voltage sampled on it. The step is a
#: parameter because `dt` here is the step of the cells, whatever the clock of the update.
BLOCK = """
p_open = clip((g_NMDA{c} + g_NMDA_ext{c})/g_NMDA_max{c} + p_tonic_{k}, 1e-9, 1)*block_acceleration
rate_on = p_open*k_on*conc_drug*B_{k}{c}
rate_off = p_open*k_off_{k}*exp(slope_off*({v} - V_off))
settled = rate_on/(rate_on + rate_off)
block_{k}{c} = settled + (block_{k}{c} - settled)*exp(-(rate_on + rate_off)*block_step)
"""

# -- synapses ----------------------------------------------------------------------------------------------------------

WEIGHTS = """
weight : siemens (constant)
weight_d : siemens (constant)
"""

_MASKED = " + ".join(f"{{name}}_{T}_pre*to_{T}_post" for T in POPULATIONS)

EXCITATION = f"""
release = {_MASKED.format(name="release")}
gate = {_MASKED.format(name="gate")}
g_AMPA_post += weight*release
g_AMPA_d_post += weight_d*release
g_NMDA_post += weight*NMDA_ratio_post*gate
g_NMDA_d_post += weight_d*NMDA_ratio_post*gate
"""

INHIBITION = f"""
release = {_MASKED.format(name="release")}
g_GABA_post += weight*release
g_GABA_d_post += weight_d*release
"""

# -- column ------------------------------------------------------------------------------------------------------------

COLUMN = """
glutamate : mmolar
autoreceptor : 1
conc_drug : mmolar
released : 1
I_AMPA_sum : amp
I_exc_sum : amp
I_inh_sum : amp
schedule_rate : 1 (constant)
num_PYR : 1 (constant)
release_size : mmolar (constant)
leak : mmolar/second (constant)
uptake_max : mmolar/second (constant)
uptake_K : mmolar (constant)
mGluR_max : 1 (constant)
mGluR_EC50 : mmolar (constant)
mGluR_hill : 1 (constant)
"""

#: Extracellular glutamate: spillover of what the pyramidal cells released since the last step, a non-vesicular leak,
#: Michaelis-Menten uptake; autoreceptors see it. The drug's schedule is looked up here, once a column and not a cell.
COLUMN_STEP = """
conc_drug = drug_schedule(t*schedule_rate, i)
glutamate += release_size*released/num_PYR + dt*(leak - uptake_max*glutamate/(uptake_K + glutamate))
autoreceptor = 1 - mGluR_max/(1 + (mGluR_EC50/glutamate)**mGluR_hill)
"""

#: Sums over the pyramidal cells of a column, for glutamate, AMPA throughput and the LFP proxy.
READOUT = """
released_post = released_pre : 1 (summed)
I_AMPA_sum_post = I_AMPA_pre + I_AMPA_d_pre : amp (summed)
I_exc_sum_post = I_AMPA_pre + I_AMPA_d_pre + I_ext_pre + I_ext_d_pre + I_NMDA_pre + I_NMDA_d_pre : amp (summed)
I_inh_sum_post = I_GABA_pre + I_GABA_d_pre : amp (summed)
"""


def cells() -> str:
    """Model text of the flat set of cells."""
    parts = [MEMBRANE, SYNAPTIC_CONSTANTS, PRESYNAPTIC]
    parts += [RECEPTOR_CLASS.format(k=k) for k in TAGS]
    parts += [TERMINAL.format(T=T) for T in POPULATIONS]
    for c, v in COMPARTMENTS.items():
        open_conductance = " + ".join(f"open_{k}{c}" for k in TAGS)
        parts.append(COMPARTMENT.format(c=c, v=v, open_conductance=open_conductance))
        parts += [CLASS_IN_COMPARTMENT.format(c=c, k=k) for k in TAGS]
    return "\n".join(parts)


def reset() -> str:
    """What a spike does to the cell and its terminals."""
    return "\n".join([RESET, *(RESET_TERMINAL.format(T=T) for T in POPULATIONS), RESET_RELEASE])


def drive() -> str:
    """Update of afferent drive and tonic NMDA, once per step of the column clock."""
    parts = [DRIVE.format(c=c) for c in COMPARTMENTS] + [TONIC.format(k=k) for k in TAGS]
    return "\n".join([*parts, "released = 0"])


def block() -> str:
    """Update of the channel block, once per step of the block clock."""
    return "\n".join(BLOCK.format(c=c, v=v, k=k) for c, v in COMPARTMENTS.items() for k in TAGS)
