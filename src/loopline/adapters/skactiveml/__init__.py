"""Query strategies of scikit-activeml, by name: ``scikit-activeml:CoreSet``. Needs the extra ``skactiveml``."""
